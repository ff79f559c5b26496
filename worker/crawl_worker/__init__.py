"""The crawling processes and the command line around them."""
