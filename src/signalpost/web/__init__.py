"""The way in by HTTP. Given callables by whoever runs it, it knows neither a service nor a configuration."""
