namespace RlHarness.Formats.ChatTemplates;

/// <summary>The functions that every template has.</summary>
internal static class TemplateGlobals
{
    private const long LargestRange = 100_000;

    public static IEnumerable<KeyValuePair<string, object?>> All(TimeProvider clock)
    {
        static KeyValuePair<string, object?> Function(string name, Func<Arguments, object?> call) => new(name, new FunctionValue(name, call));
        yield return Function("raise_exception", arguments =>
            throw new TemplateError(PythonText.Str(arguments.Require(0, "message")), TemplateErrorKind.Raised)
        );
        yield return Function("strftime_now", arguments => PythonFormat.Time(clock.GetLocalNow(), PythonText.Str(arguments.Require(0, "format"))));
        yield return Function("range", Range);
        yield return Function("dict", MakeDict);
        yield return Function("namespace", arguments =>
        {
            var space = new NamespaceValue();
            foreach (var (key, value) in ((DictValue)MakeDict(arguments)!).Items)
                space.Attributes.Set(key, value);
            return space;
        });
        yield return Function("cycler", Cycler);
        yield return Function("joiner", arguments =>
        {
            var used = false;
            return new FunctionValue("joiner", _ =>
            {
                var text = used ? arguments.Text(0, "sep", ", ") : "";
                used = true;
                return text;
            });
        });
        yield return Function("lipsum", _ => throw new TemplateError("lipsum gives random text, which a chat template has no use for"));
    }

    private static object Range(Arguments arguments)
    {
        long[] bounds =
        [
            .. arguments.Positional.Select(value =>
                PythonOperators.AsIndex(value) ?? throw TemplateError.Type($"'{PythonText.TypeName(value)}' object cannot be interpreted as an integer")
            ),
        ];
        var (start, stop, by) = bounds switch
        {
            [var end] => (0L, end, 1L),
            [var begin, var end] => (begin, end, 1L),
            [var begin, var end, var pace] => (begin, end, pace),
            _ => throw TemplateError.Type("range expected 1 to 3 arguments"),
        };
        if (by == 0)
            throw new TemplateError("range() arg 3 must not be zero");
        if ((by > 0 ? (Int128)stop - start : (Int128)start - stop) / Int128.Abs(by) > LargestRange)
        {
            throw new TemplateError($"Range too big. The sandbox blocks ranges larger than MAX_RANGE ({LargestRange}).", TemplateErrorKind.Limit);
        }

        return new RangeValue(start, stop, by);
    }

    private static object? MakeDict(Arguments arguments)
    {
        var dict = new DictValue();
        if (arguments.Positional.Count > 1)
            throw TemplateError.Type("dict expected at most 1 argument");
        if (arguments.Positional.Count == 1)
        {
            if (arguments.Positional[0] is DictValue given)
            {
                dict = given.Copy();
            }
            else
            {
                foreach (var item in PythonOperators.Iterate(arguments.Positional[0]))
                {
                    if (PythonOperators.Iterate(item).ToList() is not [var key, var value])
                        throw new TemplateError("dictionary update sequence element is not a pair");
                    dict.Set(key, value);
                }
            }
        }

        foreach (var (key, value) in arguments.Named)
            dict.Set(key, value);
        return dict;
    }

    private static object Cycler(Arguments arguments)
    {
        var items = arguments.Positional;
        if (items.Count == 0)
            throw TemplateError.Type("at least one item has to be provided");
        var at = 0;
        var next = new FunctionValue("next", _ => items[at++ % items.Count]);
        var reset = new FunctionValue("reset", _ =>
        {
            at = 0;
            return null;
        });
        var value = new FunctionValue("cycler", _ => throw TemplateError.Type("'Cycler' object is not callable"));
        (value.Attributes["next"], value.Attributes["reset"]) = (next, reset);
        return value;
    }
}
