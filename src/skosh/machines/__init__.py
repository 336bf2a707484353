"""Floor 7: what belongs to one kind of machine stands in one folder.

Its targets, instructions, forms, kernels, schedules, spellings, assembler, timings. Nothing below names a machine: targets,
forms and writers are found by the registry.
"""
