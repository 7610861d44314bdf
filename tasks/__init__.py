"""The door of time: jobs, their schedule, the worker that runs them and the relay that feeds it."""
