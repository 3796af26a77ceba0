"""What every service needs once: settings, database, sign-in, problem documents, telemetry and logs."""
