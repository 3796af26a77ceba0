"""Enrichment and triage written the usual way, to measure ours against.

FastStream on aiokafka with `AckPolicy.ACK`, SQLModel sessions, one commit for each message, events published after
it. The same steps, from matching people to the record of disclosures: those that need statements of their own run
ours on the message's session. The same tables (less inbox and outbox), policy evaluation, models, partitions, pool size
and tracing. Unlike ours it loses events when it dies between commit and publish, and repeats effects when it dies
before the ack.
"""
