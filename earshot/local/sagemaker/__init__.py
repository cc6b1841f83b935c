"""SageMaker's control plane and runtime, one idea a file."""
