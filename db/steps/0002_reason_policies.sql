-- What needs a reason until an admin says otherwise.

insert into inventory.reason_policies (entity, field)
values ('StockAdjustment', '*'), ('Product', 'unit_price'), ('User', 'role');
