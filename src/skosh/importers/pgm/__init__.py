"""Probabilistic graphical models: Bayesian and Markov networks (pgmpy, BIF, XMLBIF), hidden Markov models (hmmlearn).

A network and a query become a fixed sequence of factor products and sums; see ``query``.
"""
