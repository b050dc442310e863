"""A batch as a grid: factors on the axes, takes in the cells."""
