"""Demo images: real photographs of three surfaces, with defects drawn into some of them."""

from dn2core.demo.images import (
    PRODUCTS,
    DemoImage,
    DemoProduct,
    Product,
    demo_images,
    images_in_all,
    write_demo,
)

__all__ = [
    "PRODUCTS",
    "DemoImage",
    "DemoProduct",
    "Product",
    "demo_images",
    "images_in_all",
    "write_demo",
]
