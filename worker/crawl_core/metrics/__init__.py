"""What Prometheus is told: every metric is declared in `definitions`, and nowhere else.

    definitions  names, meanings and labels; grafana/metrics.md is made from it
    labels       the values that labels may have, and what each means
    declared     how a metric is declared, and read at the moment of a scrape
    page         grafana/metrics.md
    exposition   the text that is served: labels of the process added, several processes merged

What is known now (of a CrawlJob, of a process's connections) is read by `crawl_core.readings`, which stands above.
The values of every label are few: no search string, no error message becomes one.
"""
