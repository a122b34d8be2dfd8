"""Reinforcement learning with Stable-Baselines3: seven algorithms, ten environments, the paper's budget or a fair one.

Importing it loads no PyTorch: that waits until a suite runs.
"""
