"""The local cloud: AWS emulated in one process, SageMaker jobs as real processes."""
