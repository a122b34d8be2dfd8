"""Reinforcement learning with Stable-Baselines3: seven algorithms, ten environments, the paper's budget or a fair one.

Nothing here is imported by the rest of r2po, and importing it loads no PyTorch: that waits until a suite runs.
"""
