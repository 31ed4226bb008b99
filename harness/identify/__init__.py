"""What can be told of a service from its own words: its OpenAPI document and the headers of its answers.

Pure: texts and headers come in, values and the text of a contract go out.
"""
