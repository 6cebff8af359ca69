"""Telemetry: OpenTelemetry, where it is installed."""
