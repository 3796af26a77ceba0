"""How events travel between services: Apache Kafka, or PostgreSQL alone."""
