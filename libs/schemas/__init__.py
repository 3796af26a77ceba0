"""The shared vocabulary: what every service means by a referral, a fact, an answer, a decision, an event."""
