"""The Grafana boards as code. `python -m grafana.boards` writes them to grafana/dashboards; a test compares the bytes.

    crawl, workers, operator   what a board shows, in its order
    firing                     the alerts, which every board shows first
    frame                      what the boards have in common: variables, links, time
    panels, rows               how a panel looks; how panels stand on the grid
    words, colours             the words and colours of states, the same on every board
    promql, queries            pieces of expressions; queries, and the SQL from sql/
    sdk                        the one place that makes up for what the SDK lacks

A board computes nothing that a metric says already, and says of each number what would be bad.
"""
