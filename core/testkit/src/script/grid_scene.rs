//! Scenes of the grid.
