"""Pure rules: from an Observation to a Plan, one module a concern."""
