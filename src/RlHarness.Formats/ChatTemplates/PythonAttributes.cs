namespace RlHarness.Formats.ChatTemplates;

/// <summary>Attributes, items and slices of values. What would change a value, or reach into the interpreter, is refused.</summary>
internal static class PythonAttributes
{
    private static readonly HashSet<string> Mutators =
    [
        "append",
        "extend",
        "insert",
        "remove",
        "pop",
        "clear",
        "sort",
        "reverse",
        "update",
        "setdefault",
        "popitem",
        "add",
        "discard",
        "fromkeys",
    ];

    /// <summary><c>value.name</c>: the attribute first, then the item.</summary>
    public static object? Attribute(object? value, string name, bool orItem = true)
    {
        if (value is UndefinedValue undefined)
            throw undefined.Error();
        if (name.StartsWith('_'))
            return Unsafe(value, name);
        if (Own(value, name, out var attribute))
            return attribute;
        return orItem && value is DictValue dict && dict.TryGet(name, out var item)
            ? item
            : new UndefinedValue($"'{PythonText.TypeName(value)} object' has no attribute '{name}'");
    }

    /// <summary><c>value[key]</c>: the item first, then the attribute.</summary>
    public static object? Item(object? value, object? key)
    {
        if (value is UndefinedValue undefined)
            throw undefined.Error();
        if (value is DictValue dict)
        {
            if (dict.TryGet(key, out var item))
                return item;
        }
        else if (PythonOperators.AsIndex(key) is { } index && Indexable(value) is { } items)
        {
            if (index < 0)
                index += items.Count;
            if (index >= 0 && index < items.Count)
                return items[(int)index];
        }

        if (key is string name)
        {
            if (name.StartsWith('_'))
                return Unsafe(value, name);
            if (Own(value, name, out var attribute))
                return attribute;
            return new UndefinedValue($"'{PythonText.TypeName(value)} object' has no attribute '{name}'");
        }

        return new UndefinedValue($"{PythonText.TypeName(value)} object has no element {PythonText.Repr(key)}");
    }

    public static object? Slice(object? value, object? start, object? stop, object? step)
    {
        if (value is UndefinedValue undefined)
            throw undefined.Error();
        if (Indexable(value) is not { } items || value is ViewValue)
            return new UndefinedValue($"{PythonText.TypeName(value)} object cannot be sliced");
        var by = step is null ? 1 : Bound(step);
        if (by == 0)
            throw new TemplateError("slice step cannot be zero");
        long count = items.Count;
        var (low, high) = by > 0 ? (0L, count) : (-1L, count - 1);
        long Place(object? bound, long absent)
        {
            if (bound is null)
                return absent;
            var at = Bound(bound);
            return Math.Clamp(at < 0 ? at + count : at, low, high);
        }

        var from = Place(start, by > 0 ? low : high);
        var to = Place(stop, by > 0 ? high : low);
        var taken = new List<object?>();
        for (var at = from; by > 0 ? at < to : at > to; at += by)
            taken.Add(items[(int)at]);
        return value switch
        {
            string => string.Concat(taken.Cast<string>()),
            TupleValue => new TupleValue(taken),
            _ => taken,
        };
    }

    private static long Bound(object value) =>
        PythonOperators.AsIndex(value) is { } bound
            ? Math.Clamp(bound, -(1L << 40), 1L << 40)
            : throw TemplateError.Type("slice indices must be integers or None or have an __index__ method");

    private static IReadOnlyList<object?>? Indexable(object? value) =>
        value switch
        {
            string text => PythonText.Characters(text),
            List<object?> list => list,
            TupleValue tuple => tuple.Items,
            RangeValue range => [.. PythonOperators.Iterate(range)],
            _ => null,
        };

    private static UndefinedValue Unsafe(object? value, string name) =>
        new($"access to attribute '{name}' of '{PythonText.TypeName(value)}' object is unsafe.", isUnsafe: true);

    private static bool Own(object? value, string name, out object? attribute)
    {
        attribute = value switch
        {
            string text => StringMethods.Find(text, name),
            DictValue dict => DictMethod(dict, name),
            List<object?> or TupleValue => ListMethod(value, name),
            bool or long or System.Numerics.BigInteger => name switch
            {
                "real" or "numerator" => PythonOperators.Shrink(PythonOperators.Big(value)),
                "imag" => 0L,
                "denominator" => 1L,
                _ => null,
            },
            double number => name switch
            {
                "real" => number,
                "imag" => 0.0,
                "is_integer" => new FunctionValue(name, _ => number == Math.Floor(number)),
                _ => null,
            },
            FunctionValue function => function.Attributes.GetValueOrDefault(name),
            LoopValue loop => loop.Attribute(name),
            _ => null,
        };
        if (attribute is not null)
            return true;
        if (value is NamespaceValue space)
            return space.Attributes.TryGet(name, out attribute);
        if (value is LoopValue || (value is FunctionValue known && known.Attributes.ContainsKey(name)))
            return value is FunctionValue || LoopValue.Names.Contains(name);
        if (value is not (List<object?> or DictValue) || !Mutators.Contains(name))
            return false;
        attribute = Unsafe(value, name);
        return true;
    }

    private static FunctionValue? DictMethod(DictValue dict, string name) =>
        name switch
        {
            "items" => new FunctionValue(name, _ => new ViewValue("dict_items", [.. dict.Items.Select(pair => new TupleValue([pair.Key, pair.Value]))])),
            "keys" => new FunctionValue(name, _ => new ViewValue("dict_keys", [.. dict.Items.Select(pair => pair.Key)])),
            "values" => new FunctionValue(name, _ => new ViewValue("dict_values", [.. dict.Items.Select(pair => pair.Value)])),
            "get" => new FunctionValue(name, arguments => dict.TryGet(arguments.Require(0, "key"), out var value) ? value : arguments.Get(1, "default")),
            "copy" => new FunctionValue(name, _ => dict.Copy()),
            _ => null,
        };

    private static FunctionValue? ListMethod(object value, string name) =>
        name switch
        {
            "index" => new FunctionValue(name, arguments =>
            {
                var wanted = arguments.Require(0, "value");
                var at = 0L;
                foreach (var item in PythonOperators.Iterate(value))
                {
                    if (PythonOperators.Equal(item, wanted))
                        return at;
                    at++;
                }

                throw new TemplateError($"{PythonText.Repr(wanted)} is not in list");
            }),
            "count" => new FunctionValue(name, arguments =>
                (long)PythonOperators.Iterate(value).Count(item => PythonOperators.Equal(item, arguments.Require(0, "value")))
            ),
            "copy" when value is List<object?> list => new FunctionValue(name, _ => new List<object?>(list)),
            _ => null,
        };
}
