"""`demo DIR`: the demo's pictures as files."""

from pathlib import Path

from tqdm import tqdm

from dn2core.demo import images_in_all, write_demo


def demo(folder: str) -> int:
    with tqdm(total=images_in_all(), unit=" images", desc="Drawing", disable=None) as bar:
        products = write_demo(folder, drawn=bar.update)
    for product in products:
        defects = sum(label != "good" for label in product.labels)
        print(f"{product.name}: {len(product.normals)} normals, {len(product.new)} new images, {defects} with a defect")
    first = products[0]
    name, normals, new = first.name, first.normals[0].parent, first.new[0].parent
    print("Next:")
    print(f'  python -m dn2core build "{name}" {normals}')
    print(f'  python -m dn2core score "{name}" {new} --csv {Path(folder) / "results.csv"}')
    return 0
