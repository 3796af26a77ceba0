"""What the thresholds would say of a referral that somebody wrote down: `mash policy decide`."""
