"""Puts the questions that are due to the agencies, bears with each one's silence, and writes down what came back."""
