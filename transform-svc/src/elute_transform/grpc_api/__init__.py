"""The service's door: `TransformService`, and the transform stage of `StageService`."""
