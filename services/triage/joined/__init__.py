"""A second report of one event joins the case that is open; what comes on a worker's case goes to that worker."""
