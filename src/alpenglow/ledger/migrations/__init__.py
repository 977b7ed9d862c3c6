"""The history of the schema, oldest revision first."""
