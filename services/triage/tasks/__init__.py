"""What people must do beside deciding: raised by the policy, by the flow of a case and by hand, each with a clock."""
