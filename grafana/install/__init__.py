"""Put the boards and their two data sources into a Grafana, by its HTTP API: `make grafana`.

    sources   what is sent: data sources out of their URLs, boards (pure)
    api       who is asked, and what a refusal means
    __main__  all of it, as the environment says

Safe to run again: a folder, a data source or a board that is there already is brought up to date, and nothing else is
touched. Nothing is deleted.
"""
