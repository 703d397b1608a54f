"""Tools for maintainers: AWS and movieXchange on one machine, the simulation, diagrams, and the package."""
