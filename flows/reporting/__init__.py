"""What people see while a run goes on: bar, log, Prefect's artifacts, and how busy the machine is."""
