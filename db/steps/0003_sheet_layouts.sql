-- The layouts of sheets that people matched by hand are on the record.

select audit.watch('inventory.sheet_layouts', 'SheetLayout');
