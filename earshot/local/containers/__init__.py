"""What SageMaker's instances do: containers under the /opt/ml contract, as processes of this machine."""
