"""Probabilistic graphical models: Bayesian and Markov networks (pgmpy, BIF, XMLBIF), hidden Markov models (hmmlearn),
linear-chain conditional random fields (sklearn-crfsuite).

A network and a query become a fixed sequence of factor products and sums; see ``query``.
"""
