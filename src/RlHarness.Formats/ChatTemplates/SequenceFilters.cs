namespace RlHarness.Formats.ChatTemplates;

/// <summary>Filters on lists, dicts and other things that can be gone through.</summary>
internal static class SequenceFilters
{
    public static readonly Dictionary<string, Func<object?, Arguments, object?>> All = new(StringComparer.Ordinal)
    {
        ["batch"] = Batch,
        ["dictsort"] = DictSort,
        ["first"] = (value, _) => First(PythonOperators.Iterate(value)),
        ["groupby"] = GroupBy,
        ["items"] = (value, _) =>
            value switch
            {
                UndefinedValue => new IteratorValue([]),
                DictValue dict => new IteratorValue(dict.Items.Select(pair => (object?)new TupleValue([pair.Key, pair.Value]))),
                _ => throw TemplateError.Type("Can only get item pairs from a mapping."),
            },
        ["join"] = (value, a) =>
            StringMethods.Join(a.Text(0, "d", ""), Attributes(PythonOperators.Iterate(value), a.Get(1, "attribute")).Select(PythonText.Str)),
        ["last"] = (value, _) => First(PythonOperators.Iterate(value).Reverse()),
        ["list"] = (value, _) => PythonOperators.Iterate(value).ToList(),
        ["map"] = Map,
        ["max"] = (value, a) => Extreme(value, a, 1),
        ["min"] = (value, a) => Extreme(value, a, -1),
        ["random"] = (value, _) => First(PythonOperators.Iterate(value)), // the first: a template has to give the same text again
        ["reject"] = (value, a) => Select(value, a, attribute: false, wanted: false),
        ["rejectattr"] = (value, a) => Select(value, a, attribute: true, wanted: false),
        ["reverse"] = (value, _) =>
            value is string text ? string.Concat(PythonText.Characters(text).Reverse()) : new IteratorValue(PythonOperators.Iterate(value).Reverse()),
        ["select"] = (value, a) => Select(value, a, attribute: false, wanted: true),
        ["selectattr"] = (value, a) => Select(value, a, attribute: true, wanted: true),
        ["slice"] = Slice,
        ["sort"] = Sort,
        ["sum"] = (value, a) =>
            Attributes(PythonOperators.Iterate(value), a.Get(0, "attribute"))
                .Aggregate(a.Get(1, "start", 0L), (sum, item) => PythonOperators.Binary("+", sum, item)),
        ["unique"] = Unique,
    };

    private static object? First(IEnumerable<object?> items)
    {
        foreach (var item in items)
            return item;
        return new UndefinedValue("No first item, sequence was empty.");
    }

    // 'a.b.0' goes through attributes and items, one after the other.
    private static object? Dig(object? item, object? attribute)
    {
        if (attribute is not string path)
            return PythonAttributes.Item(item, attribute);
        foreach (var part in path.Split('.'))
        {
            item =
                part.Length > 0 && part.All(char.IsAsciiDigit)
                    ? PythonAttributes.Item(item, PythonText.ParseInteger(part, 10))
                    : PythonAttributes.Item(item, part);
        }

        return item;
    }

    private static IEnumerable<object?> Attributes(IEnumerable<object?> items, object? attribute) =>
        attribute is null ? items : items.Select(item => Dig(item, attribute));

    private static object? Case(object? value, bool sensitive) => !sensitive && value is string text ? PythonCasing.Lower(text) : value;

    private static Comparer<object?> Ordering { get; } = Comparer<object?>.Create((a, b) => PythonOperators.Order(a, b, "<"));

    // A stable sort that asks only whether one comes before another, as Python's does; the first element is the right operand.
    private static List<object?> Sorted(IEnumerable<object?> items, Func<object?, object?> key, bool reverse)
    {
        var keyed = items.Select(item => (Item: item, Key: key(item))).ToList();
        var sorted = new List<(object? Item, object? Key)>(keyed.Count);
        foreach (var entry in keyed)
        {
            var (low, high) = (0, sorted.Count);
            while (low < high)
            {
                var middle = (low + high) / 2;
                var order = Ordering.Compare(entry.Key, sorted[middle].Key);
                if (reverse ? order > 0 : order < 0)
                    high = middle;
                else
                    low = middle + 1;
            }

            sorted.Insert(low, entry);
        }

        return [.. sorted.Select(entry => entry.Item)];
    }

    private static object Sort(object? value, Arguments arguments)
    {
        var sensitive = arguments.Flag(1, "case_sensitive");
        var attribute = arguments.Get(2, "attribute");
        Func<object?, object?> key = attribute switch
        {
            null => item => Case(item, sensitive),
            string text when text.Contains(',') => item => new TupleValue([.. text.Split(',').Select(part => Case(Dig(item, part), sensitive))]),
            _ => item => Case(Dig(item, attribute), sensitive),
        };
        return Sorted(PythonOperators.Iterate(value), key, arguments.Flag(0, "reverse"));
    }

    private static object DictSort(object? value, Arguments arguments)
    {
        if (value is not DictValue dict)
            throw TemplateError.Type($"dictsort needs a dict, not {PythonText.TypeName(value)}");
        var sensitive = arguments.Flag(0, "case_sensitive");
        var place = arguments.Text(1, "by", "key") switch
        {
            "key" => 0,
            "value" => 1,
            _ => throw new TemplateError("You can only sort by either \"key\" or \"value\""),
        };
        return Sorted(
            dict.Items.Select(pair => (object?)new TupleValue([pair.Key, pair.Value])),
            item => Case(((TupleValue)item!).Items[place], sensitive),
            arguments.Flag(2, "reverse")
        );
    }

    private static object GroupBy(object? value, Arguments arguments)
    {
        var attribute = arguments.Require(0, "attribute");
        var sensitive = arguments.Flag(2, "case_sensitive");
        object? Key(object? item) =>
            Dig(item, attribute) is var key && key is UndefinedValue && arguments.TryGet(1, "default", out var standard) ? standard : key;
        var groups = new List<object?>();
        List<object?>? current = null;
        object? last = null;
        foreach (var item in Sorted(PythonOperators.Iterate(value), item => Case(Key(item), sensitive), reverse: false))
        {
            var key = Case(Key(item), sensitive);
            if (current is null || !PythonOperators.Equal(key, last))
            {
                groups.Add(new TupleValue([Key(item), current = []]));
                last = key;
            }

            current.Add(item);
        }

        return groups;
    }

    private static object? Extreme(object? value, Arguments arguments, int sign)
    {
        var sensitive = arguments.Flag(0, "case_sensitive");
        var attribute = arguments.Get(1, "attribute");
        object? best = null;
        object? bestKey = null;
        var any = false;
        foreach (var item in PythonOperators.Iterate(value))
        {
            var key = Case(attribute is null ? item : Dig(item, attribute), sensitive);
            if (any && PythonOperators.Order(key, bestKey, sign > 0 ? ">" : "<") * sign <= 0)
                continue;
            (best, bestKey, any) = (item, key, true);
        }

        return any ? best : new UndefinedValue("No aggregated item, sequence was empty.");
    }

    private static object Unique(object? value, Arguments arguments)
    {
        var sensitive = arguments.Flag(0, "case_sensitive");
        var attribute = arguments.Get(1, "attribute");
        var seen = new DictValue();
        var kept = new List<object?>();
        foreach (var item in PythonOperators.Iterate(value))
        {
            var key = Case(attribute is null ? item : Dig(item, attribute), sensitive);
            if (seen.TryGet(key, out _))
                continue;
            seen.Set(key, null);
            kept.Add(item);
        }

        return new IteratorValue(kept);
    }

    private static IteratorValue Map(object? value, Arguments arguments)
    {
        var items = PythonOperators.Iterate(value);
        if (arguments.Positional.Count == 0 && arguments.TryGet(-1, "attribute", out var attribute))
        {
            var hasDefault = arguments.TryGet(-1, "default", out var standard);
            return new IteratorValue(items.Select(item => Dig(item, attribute) is var found && found is UndefinedValue && hasDefault ? standard : found));
        }

        if (arguments.Positional.Count == 0)
            throw TemplateError.Type("map requires a filter argument");
        var name = PythonText.Str(arguments.Positional[0]);
        var rest = new Arguments([.. arguments.Positional.Skip(1)], arguments.Named);
        return new IteratorValue(items.Select(item => TemplateFilters.Apply(name, item, rest)));
    }

    private static IteratorValue Select(object? value, Arguments arguments, bool attribute, bool wanted)
    {
        var items = PythonOperators.Iterate(value);
        var place = attribute ? 1 : 0;
        if (attribute && arguments.Positional.Count == 0)
            throw TemplateError.Type("Missing parameter for attribute name");
        var name = arguments.Positional.Count > place ? PythonText.Str(arguments.Positional[place]) : null;
        var rest = new Arguments([.. arguments.Positional.Skip(place + 1)], arguments.Named);
        return new IteratorValue(
            items.Where(item =>
            {
                var tested = attribute ? Dig(item, arguments.Positional[0]) : item;
                return (name is null ? PythonOperators.Truth(tested) : TemplateTests.Apply(name, tested, rest)) == wanted;
            })
        );
    }

    private static IteratorValue Batch(object? value, Arguments arguments)
    {
        var size = Math.Max(1, arguments.Integer(0, "linecount", 1));
        var fill = arguments.Get(1, "fill_with");
        var batches = PythonOperators.Iterate(value).Chunk(size).Select(chunk => chunk.ToList()).ToList();
        if (fill is not null && batches.Count > 0)
        {
            while (batches[^1].Count < size)
                batches[^1].Add(fill);
        }

        return new IteratorValue(batches);
    }

    private static IteratorValue Slice(object? value, Arguments arguments)
    {
        var items = PythonOperators.Iterate(value).ToList();
        var count = Math.Max(1, arguments.Integer(0, "slices", 1));
        var fill = arguments.Get(1, "fill_with");
        var (each, more) = (items.Count / count, items.Count % count);
        var slices = new List<object?>();
        for (int i = 0, at = 0; i < count; i++)
        {
            var size = each + (i < more ? 1 : 0);
            var slice = items.GetRange(at, size);
            at += size;
            if (fill is not null && more > 0 && i >= more)
                slice.Add(fill);
            slices.Add(slice);
        }

        return new IteratorValue(slices);
    }
}
