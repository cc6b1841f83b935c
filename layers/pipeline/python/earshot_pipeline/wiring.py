"""Adapters made from the environment, for the functions that need them. Clients are made when first used."""

import warnings

from earshot_pipeline.announce import Announcer
from earshot_pipeline.aws import client
from earshot_pipeline.champion import Champions
from earshot_pipeline.jobs import Jobs, ProcessingSettings, TrainingSettings
from earshot_pipeline.packages import Packages
from earshot_pipeline.rollout_table import RolloutTable
from earshot_pipeline.run import Action, Announced, Run
from earshot_pipeline.schedule import Scheduler
from earshot_pipeline.settings import Environment
from earshot_pipeline.storage import Bucket
from earshot_pipeline.table import Table

# Most calls find nothing to count, and Metrics would warn of each in the log.
warnings.filterwarnings("ignore", "No application metrics to publish")


def table(environment: Environment) -> Table:
    """The pipeline's table."""
    return Table(client("dynamodb"), environment.text("TABLE"))


def rollouts(environment: Environment) -> RolloutTable:
    """The pipeline's table, with rollouts."""
    return RolloutTable(client("dynamodb"), environment.text("TABLE"))


def bucket(environment: Environment, name: str) -> Bucket:
    """The bucket that the setting `name` names."""
    return Bucket(client("s3"), environment.text(name))


def scheduler(environment: Environment) -> Scheduler:
    """The scheduler of one-time wake-ups."""
    return Scheduler(
        client("scheduler"),
        environment.text("SCHEDULE_GROUP"),
        environment.text("SCHEDULE_TARGET"),
        environment.text("SCHEDULE_ROLE"),
        environment.text("SCHEDULE_DEAD_LETTERS"),
    )


def jobs() -> Jobs:
    """SageMaker's jobs."""
    return Jobs(client("sagemaker"))


def processing_settings(environment: Environment) -> ProcessingSettings:
    """What all runs' processing jobs have in common."""
    return ProcessingSettings(
        stack=environment.text("STACK"),
        image=environment.text("TRAINING_IMAGE"),
        role=environment.text("PROCESSING_ROLE"),
        instance=environment.text("PROCESSING_INSTANCE"),
        instances=environment.integer("PROCESSING_INSTANCES"),
        seconds=environment.integer("PROCESSING_SECONDS"),
        frontend=environment.text("FRONTEND"),
        copies=environment.integer("COPIES"),
        seed=environment.integer("SEED"),
    )


def training_settings(environment: Environment) -> TrainingSettings:
    """What all runs' training jobs have in common."""
    return TrainingSettings(
        stack=environment.text("STACK"),
        image=environment.text("TRAINING_IMAGE"),
        role=environment.text("TRAINING_ROLE"),
        instance=environment.text("TRAINING_INSTANCE"),
        seconds=environment.integer("TRAINING_SECONDS"),
        spot=environment.flag("SPOT"),
        architecture=environment.text("ARCHITECTURE"),
        keywords=environment.keywords(),
        epochs=environment.integer("EPOCHS"),
        samples_per_epoch=environment.integer("SAMPLES_PER_EPOCH"),
        batch_size=environment.integer("BATCH_SIZE"),
        learning_rate=environment.number("LEARNING_RATE"),
        seed=environment.integer("SEED"),
        warm_start=environment.flag("WARM_START"),
        patience=environment.integer("PATIENCE"),
        max_model_bytes=environment.integer("MAX_MODEL_BYTES"),
        max_arena_bytes=environment.integer("MAX_ARENA_BYTES"),
        max_instructions=environment.integer("MAX_INSTRUCTIONS"),
    )


def champions(environment: Environment) -> Champions:
    """Who finds the model that a new one is compared with."""
    return Champions(table(environment), bucket(environment, "DATA_BUCKET"), environment.keywords())


def packages(environment: Environment) -> Packages:
    """The model package group."""
    return Packages(
        client("sagemaker"),
        environment.text("MODEL_PACKAGE_GROUP"),
        environment.text("SERVING_IMAGE"),
        environment.text("RELEASES_BUCKET"),
    )


def announce_end(environment: Environment, run: Run, demanded: tuple[Action, ...], now: float) -> None:
    """Tell those who wait for it that a run ended, if its state asks for that."""
    if Action.ANNOUNCE in demanded:
        Announcer(client("events"), environment.text("STACK")).run_ended(run)
        table(environment).advance(run.id, lambda _: Announced(now))
