"""What Prometheus is told: every metric is declared in `definitions`, and nowhere else.

    definitions  names, meanings, labels and their values; grafana/metrics.md is made from it
    declared     how a metric is declared, and read at the moment of a scrape
    figures      what is known of one CrawlJob, for the operator and for a local run alike
    backends     the connections of a process, read from its pools
    exposition   the text that is served: labels of the process added, several processes merged

It refuses to hold a label whose values are not bounded: no string, no range, no error message becomes one.
"""
