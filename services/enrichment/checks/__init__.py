"""What is kept of a child's checks, and what each event, reply, order and passing clock changes in them."""
