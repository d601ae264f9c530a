"""The pages' own components: a Python face and, beside it under the same name, its JavaScript and CSS."""
