"""The number formats that a workbook names by a number alone, and that each machine shows in its own way.

Days are given in the one form that is not ambiguous, amounts without a currency.
"""

LOCAL_FORMATS = {
    # $#,##0 and such: the currency is the machine's
    **dict.fromkeys((5, 6), "#,##0;-#,##0"),
    **dict.fromkeys((7, 8), "#,##0.00;-#,##0.00"),
    **dict.fromkeys((41, 42), '#,##0;-#,##0;"-"'),
    **dict.fromkeys((43, 44), '#,##0.00;-#,##0.00;"-"'),
    # short dates, and those of East Asia
    **dict.fromkeys((14, *range(27, 32), 36, *range(50, 55), 57, 58), "yyyy-mm-dd"),
    22: "yyyy-mm-dd hh:mm",
    **dict.fromkeys((*range(32, 36), 55, 56), "hh:mm:ss"),
}
