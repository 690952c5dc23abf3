"""What the user gives: a model and recordings or images, loaded, checked and made to fit."""
