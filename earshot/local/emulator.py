"""The one place that knows ministack: starts it in this process and closes its gaps.

Ministack has no public interface for being embedded, so everything here leans
on its inner names. `tests/integration/local/test_ministack_touch_points.py`
holds each of them in place: an upgrade that moves one fails there, by name.

What is changed, and why:

- Lambda functions run in a clean interpreter whatever their runtime says, so
  that the emulator's own packages do not leak into them.
- EventBridge Scheduler looks at its schedules every half second, not every
  ten: a quiet period of five seconds must be able to pass.
- An HTTP API's routes are read from its OpenAPI body, as SAM writes them, and
  its endpoint is an address that resolves.
- S3 events carry the object's version, and are delivered in order by one
  thread instead of a new thread each.
- EventBridge writes to an SQS queue only where the queue's policy lets it.
- FilterLogEvents looks at a stream's prefix.
- Any credentials mean the one account; a twelve-digit key is no account of its own.
- CloudFormation asks `earshot.local` for types that ministack does not have.
"""

from __future__ import annotations

import contextvars
import json
import os
import queue
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earshot.local.account import ACCOUNT_ID, REGION
from earshot.local.policy import allows_service

Asgi = Callable[[dict[str, Any], Callable[..., Awaitable[Any]], Callable[..., Awaitable[None]]], Awaitable[None]]
SCHEDULER_TICK_SECONDS = 0.5


@dataclass(frozen=True)
class Reply:
    """What an emulated service answered."""

    status: int
    headers: dict[str, str]
    body: bytes


class ServiceError(Exception):
    """An emulated service refused a call.

    Attributes:
        status: its HTTP status.
        body: what it said.
    """

    def __init__(self, service: str, action: str, status: int, body: bytes) -> None:
        super().__init__(f"{service} answered {status} to {action}: {body[:500].decode('utf-8', 'replace')}")
        self.status = status
        self.body = body


@dataclass(frozen=True)
class ResourceType:
    """A CloudFormation resource type that another module provides.

    Attributes:
        create: (logical id, properties, stack name) → (physical id, attributes).
        update: (physical id, old properties, new properties, stack name) → (physical id, attributes).
        delete: (physical id, properties) → nothing.
    """

    create: Callable[[str, dict[str, Any], str], tuple[str, dict[str, Any]]]
    update: Callable[[str, dict[str, Any], dict[str, Any], str], tuple[str, dict[str, Any]]]
    delete: Callable[[str, dict[str, Any]], None]


class Emulator:
    """Ministack, in this process. There can be one a process, since its state is its modules'."""

    def __init__(self, port: int, lambda_python: Path, temporary: Path) -> None:
        """Import and adapt ministack.

        Args:
            port: the port that clients reach the cloud at.
            lambda_python: interpreter that runs Lambda functions.
            temporary: folder for the functions' unpacked code.
        """
        self.port = port
        self.lambda_python = lambda_python
        self._configure(temporary)
        import ministack.app as gateway

        self._gateway = gateway
        self._adapt_accounts()
        self._adapt_lambda()
        self._adapt_scheduler()
        self._adapt_http_api()
        self._adapt_s3_events()
        self._adapt_queue_policies()
        self._adapt_logs()

    @property
    def application(self) -> Asgi:
        """The emulated services as an ASGI application."""
        application: Asgi = self._gateway.app
        return application

    # -- calls into it ------------------------------------------------------------------------------------------

    def call(
        self,
        service: str,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        query: dict[str, list[str]] | None = None,
    ) -> Reply:
        """Call an emulated service without going over the network; not from the event loop's own thread.

        Raises:
            ServiceError: where the service answers with a status of 400 or more.
        """
        handler = self._gateway.SERVICE_HANDLERS[service]
        status, answered, content = self._gateway.call_service_handler_sync(
            handler, method, path, headers or {}, body, query or {}
        )
        content = content if isinstance(content, bytes) else str(content).encode()
        if status >= 400:
            raise ServiceError(service, f"{method} {path}", status, content)
        return Reply(status, answered, content)

    def call_json(self, service: str, target: str, request: dict[str, Any]) -> dict[str, Any]:
        """Call an operation of a service that speaks AWS JSON, such as `Logs_20140328.PutLogEvents`.

        Raises:
            ServiceError: where the service refuses.
        """
        headers = {"x-amz-target": target, "content-type": "application/x-amz-json-1.1"}
        reply = self.call(service, "POST", "/", headers, json.dumps(request).encode())
        answer: dict[str, Any] = json.loads(reply.body or b"{}")
        return answer

    async def object(self, bucket: str, key: str) -> Reply:
        """Read an S3 object from within the event loop; a missing one is a reply of 404, not an error."""
        handler = self._gateway.SERVICE_HANDLERS["s3"]
        status, headers, body = await handler("GET", f"/{bucket}/{key}", {}, b"", {})
        return Reply(status, headers, body if isinstance(body, bytes) else b"")

    def bucket_policy(self, bucket: str) -> str | None:
        """Give a bucket's policy, or None where it has none."""
        from ministack.services import s3

        policy: str | None = s3._bucket_policies.get(bucket)
        return policy

    def role_trust(self, name: str) -> dict[str, Any] | None:
        """Give the trust policy of an IAM role, or None where there is no such role."""
        from ministack.services import iam

        role = iam._roles.get(name)
        if role is None:
            return None
        document = role.get("AssumeRolePolicyDocument") or "{}"
        trust: dict[str, Any] = json.loads(document) if isinstance(document, str) else document
        return trust

    def alarm_state(self, name: str) -> str | None:
        """Give a CloudWatch alarm's state, or None where there is no such alarm."""
        from ministack.core.responses import request_scope
        from ministack.services import cloudwatch

        with request_scope(ACCOUNT_ID, REGION):
            alarm = cloudwatch._alarms.get(name)
        state: str | None = alarm["StateValue"] if alarm else None
        return state

    def put_event(self, detail_type: str, detail: dict[str, Any], resource: str) -> None:
        """Put an event of source `aws.sagemaker` on the account's default bus; only AWS itself may do so."""
        from ministack.services import eventbridge

        entry = {
            "Source": "aws.sagemaker",
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            "Resources": [resource],
        }
        from ministack.core.responses import request_scope

        with request_scope(ACCOUNT_ID, REGION):
            eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)

    def add_resource_type(self, name: str, provider: ResourceType) -> None:
        """Teach CloudFormation a resource type that ministack does not have."""
        from ministack.services.cloudformation import provisioners

        provisioners._RESOURCE_HANDLERS[name] = {
            "create": provider.create,
            "update": provider.update,
            "delete": provider.delete,
        }

    def resource_type(self, name: str) -> dict[str, Any]:
        """Give ministack's own handlers of a CloudFormation type, to be wrapped in place."""
        from ministack.services.cloudformation import provisioners

        handlers: dict[str, Any] = provisioners._RESOURCE_HANDLERS[name]
        return handlers

    def name_distribution(self, identifier: str, domain: str) -> str:
        """Give a CloudFront distribution its domain name; answers with its ARN."""
        from ministack.services import cloudfront

        record = cloudfront._distributions[identifier]
        record["DomainName"] = domain
        arn: str = record["ARN"]
        return arn

    def stop_functions(self) -> None:
        """End every Lambda process."""
        from ministack.core import lambda_runtime

        lambda_runtime.reset()

    # -- gaps closed --------------------------------------------------------------------------------------------

    def _configure(self, temporary: Path) -> None:
        temporary.mkdir(parents=True, exist_ok=True)
        os.environ.update(
            GATEWAY_PORT=str(self.port),
            BIND_HOST="127.0.0.1",
            MINISTACK_HOST="127.0.0.1",
            MINISTACK_ACCOUNT_ID=ACCOUNT_ID,
            MINISTACK_REGION=REGION,
            IOT_MTLS_ENABLED="0",
            SFTP_ENABLED="0",
            LAMBDA_EXECUTOR="local",
            PERSIST_STATE="0",
            S3_PERSIST="0",
            TMPDIR=str(temporary),
            LOG_LEVEL=os.environ.get("LOG_LEVEL", "WARNING"),
        )

    def _adapt_accounts(self) -> None:
        original = self._gateway.set_request_account_id
        self._gateway.set_request_account_id = lambda _access_key: original("")

    def _adapt_lambda(self) -> None:
        from ministack.core import lambda_runtime

        original = lambda_runtime._detect_runtime_binary

        def detect(runtime: str) -> tuple[str, str]:
            binary, script = original(runtime)
            return (str(self.lambda_python) if runtime.startswith("python") else binary), script

        lambda_runtime._detect_runtime_binary = detect

    def _adapt_scheduler(self) -> None:
        from ministack.services import scheduler

        scheduler._SCHEDULE_TICK_INTERVAL = SCHEDULER_TICK_SECONDS

    def _adapt_http_api(self) -> None:
        from ministack.services import apigateway

        handlers = self.resource_type("AWS::ApiGatewayV2::Api")
        create, update = handlers["create"], handlers["update"]
        integration = self.resource_type("AWS::ApiGatewayV2::Integration")["create"]
        route = self.resource_type("AWS::ApiGatewayV2::Route")["create"]

        def import_body(api_id: str, logical_id: str, properties: dict[str, Any], stack: str) -> dict[str, Any]:
            for key, call in _openapi_routes(properties.get("Body") or {}):
                target, _ = integration(
                    logical_id,
                    {
                        "ApiId": api_id,
                        "IntegrationType": str(call.get("type", "aws_proxy")).upper(),
                        "IntegrationUri": call["uri"],
                        "PayloadFormatVersion": call.get("payloadFormatVersion", "2.0"),
                        "TimeoutInMillis": call.get("timeoutInMillis", 30000),
                    },
                    stack,
                )
                route(logical_id, {"ApiId": api_id, "RouteKey": key, "Target": f"integrations/{target}"}, stack)
            endpoint = f"http://127.0.0.1:{self.port}/_aws/execute-api/{api_id}"
            apigateway._apis[api_id]["apiEndpoint"] = endpoint
            return {"ApiId": api_id, "ApiEndpoint": endpoint}

        def create_api(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
            api_id, _ = create(logical_id, properties, stack)
            return api_id, import_body(api_id, logical_id, properties, stack)

        def update_api(
            physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str | None = None
        ) -> tuple[str, dict[str, Any]]:
            api_id, _ = update(physical_id, old, new, stack, logical_id)
            if new.get("Body"):
                apigateway._routes[api_id].clear()
                apigateway._integrations[api_id].clear()
            return api_id, import_body(api_id, logical_id or physical_id, new, stack)

        handlers["create"], handlers["update"] = create_api, update_api

    def _adapt_s3_events(self) -> None:
        from ministack.services import eventbridge, s3

        version: contextvars.ContextVar[str | None] = contextvars.ContextVar("version", default=None)
        waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event

        def dispatch_versioned(event: dict[str, Any], view: Any = None) -> None:
            if event.get("Source") == "aws.s3" and version.get():
                detail = json.loads(event["Detail"])
                detail["object"]["version-id"] = version.get()
                event = {**event, "Detail": json.dumps(detail)}
            dispatch(event, view)

        def fire_later(bucket: str, key: str, name: str, *values: Any, **named: Any) -> None:
            if bucket not in s3._bucket_notifications:
                return
            named.setdefault("sequencer", s3._next_event_sequencer(name))
            context = contextvars.copy_context()

            def deliver() -> None:
                version.set(named.get("version_id"))
                fire(bucket, key, name, *values, **named)

            waiting.put(lambda: context.run(deliver))

        def work() -> None:
            while True:
                waiting.get()()

        eventbridge._dispatch_event = dispatch_versioned
        s3._fire_s3_event_async = fire_later
        threading.Thread(target=work, name="s3-events", daemon=True).start()

    def _adapt_queue_policies(self) -> None:
        from ministack.services import eventbridge, sqs

        source: contextvars.ContextVar[str] = contextvars.ContextVar("source", default="")
        invoke, to_sqs = eventbridge._invoke_target, eventbridge._dispatch_to_sqs

        def invoke_for(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:
            token = source.set(rule.get("Arn", ""))
            try:
                invoke(target, event, rule, view)
            finally:
                source.reset(token)

        def to_permitted_queue(spec: Any, payload: str, parameters: dict[str, Any] | None = None) -> None:
            queue_record = sqs._queue_by_arn(str(spec))
            rule = source.get()
            if queue_record is not None and ":rule/" in rule:
                policy = (queue_record.get("attributes") or {}).get("Policy")
                if not allows_service(policy, "events.amazonaws.com", "sqs:SendMessage", str(spec), rule):
                    eventbridge.logger.warning("%s may not send to %s: its queue policy does not allow it", rule, spec)
                    return
            to_sqs(spec, payload, parameters)

        eventbridge._invoke_target = invoke_for
        eventbridge._dispatch_to_sqs = to_permitted_queue

    def _adapt_logs(self) -> None:
        from ministack.services import cloudwatch_logs

        original = cloudwatch_logs._filter_log_events

        def filter_by_prefix(request: dict[str, Any]) -> Any:
            prefix = request.get("logStreamNamePrefix")
            group = cloudwatch_logs._log_groups.get(request.get("logGroupName", ""))
            if prefix and group:
                found = [stream for stream in group["streams"] if stream.startswith(prefix)]
                request = {**request, "logStreamNames": found or [prefix]}
            return original(request)

        cloudwatch_logs._filter_log_events = filter_by_prefix


def _openapi_routes(body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Give (route key, integration) of every operation in an API's OpenAPI definition."""
    routes = []
    for path, operations in (body.get("paths") or {}).items():
        for method, operation in (operations or {}).items():
            call = (operation or {}).get("x-amazon-apigateway-integration")
            if not call:
                continue
            verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
            routes.append(("$default" if path == "/$default" else f"{verb} {path}", call))
    return routes
