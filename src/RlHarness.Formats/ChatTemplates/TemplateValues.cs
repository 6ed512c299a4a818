using System.Numerics;

namespace RlHarness.Formats.ChatTemplates;

// Values are: null (None), bool, long, BigInteger (beyond long), double, string, List<object?> (list), and the types below.

/// <summary>A name or attribute that is not there; prints as nothing, and fails when it is used for anything else.</summary>
internal sealed class UndefinedValue(string message, bool isUnsafe = false)
{
    public TemplateError Error() => isUnsafe ? TemplateError.Security(message) : TemplateError.Undefined(message);
}

/// <summary>A tuple.</summary>
internal sealed class TupleValue(IReadOnlyList<object?> items)
{
    public IReadOnlyList<object?> Items { get; } = items;
}

/// <summary>A dict: keeps the order in which keys came; 1, 1.0 and true are one key.</summary>
internal sealed class DictValue
{
    private static readonly object None = new();
    private readonly Dictionary<object, int> _places = new(PythonEquality.Instance);
    private readonly List<KeyValuePair<object?, object?>> _items = [];

    public IReadOnlyList<KeyValuePair<object?, object?>> Items => _items;

    public int Count => _items.Count;

    public bool TryGet(object? key, out object? value)
    {
        var found = _places.TryGetValue(Checked(key), out var place);
        value = found ? _items[place].Value : null;
        return found;
    }

    public void Set(object? key, object? value)
    {
        if (_places.TryGetValue(Checked(key), out var place))
        {
            _items[place] = new(_items[place].Key, value);
            return;
        }

        _places.Add(key ?? None, _items.Count);
        _items.Add(new(key, value));
    }

    public DictValue Copy()
    {
        var copy = new DictValue();
        foreach (var (key, value) in _items)
            copy.Set(key, value);
        return copy;
    }

    private static object Checked(object? key) =>
        key switch
        {
            null => None,
            List<object?> or DictValue => throw TemplateError.Type($"unhashable type: '{PythonText.TypeName(key)}'"),
            _ => key,
        };
}

/// <summary>What <c>keys()</c>, <c>values()</c> and <c>items()</c> give.</summary>
internal sealed class ViewValue(string kind, IReadOnlyList<object?> items)
{
    public string Kind => kind;

    public IReadOnlyList<object?> Items => items;
}

/// <summary>What can be gone through once, as filters such as <c>map</c> give it.</summary>
internal sealed class IteratorValue(IEnumerable<object?> items)
{
    private IEnumerable<object?>? _items = items;

    public IEnumerable<object?> Take()
    {
        var items = _items ?? [];
        _items = null;
        return items;
    }
}

/// <summary>A range of whole numbers.</summary>
internal sealed class RangeValue(long start, long stop, long step)
{
    public (long Start, long Stop, long Step) Bounds => (start, stop, step);

    public int Count { get; } = (int)Math.Max(0, step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step);

    public long this[int index] => start + (index * step);
}

/// <summary>A namespace: the only thing that a template may change.</summary>
internal sealed class NamespaceValue
{
    public DictValue Attributes { get; } = new();
}

/// <summary>A function, method or macro.</summary>
internal sealed class FunctionValue(string name, Func<Arguments, object?> call)
{
    public string Name => name;

    public Func<Arguments, object?> Call => call;

    /// <summary>Attributes such as a macro's <c>name</c> and <c>arguments</c>.</summary>
    public Dictionary<string, object?> Attributes { get; } = [];
}

/// <summary>The arguments of a call.</summary>
internal sealed class Arguments(IReadOnlyList<object?> positional, IReadOnlyList<KeyValuePair<string, object?>> named)
{
    public static Arguments None { get; } = new([], []);

    public IReadOnlyList<object?> Positional => positional;

    public IReadOnlyList<KeyValuePair<string, object?>> Named => named;

    public int Count => positional.Count + named.Count;

    public bool TryGet(int index, string name, out object? value)
    {
        if (index >= 0 && index < positional.Count)
        {
            value = positional[index];
            return true;
        }

        foreach (var (key, given) in named)
        {
            if (key != name)
                continue;
            value = given;
            return true;
        }

        value = null;
        return false;
    }

    public object? Get(int index, string name, object? standard = null) => TryGet(index, name, out var value) ? value : standard;

    public object? Require(int index, string name) =>
        TryGet(index, name, out var value) ? value : throw TemplateError.Type($"missing 1 required positional argument: '{name}'");

    public bool Flag(int index, string name, bool standard = false) => TryGet(index, name, out var value) ? PythonOperators.Truth(value) : standard;

    public string Text(int index, string name, string standard) => TryGet(index, name, out var value) ? PythonText.Str(value) : standard;

    public int Integer(int index, string name, int standard) =>
        !TryGet(index, name, out var value) ? standard
        : PythonOperators.AsIndex(value) is { } number ? (int)Math.Clamp(number, int.MinValue, int.MaxValue)
        : throw TemplateError.Type($"'{PythonText.TypeName(value)}' object cannot be interpreted as an integer");
}

/// <summary>Equality and hashes as Python has them.</summary>
internal sealed class PythonEquality : IEqualityComparer<object>
{
    public static PythonEquality Instance { get; } = new();

    bool IEqualityComparer<object>.Equals(object? left, object? right) => PythonOperators.Equal(left, right);

    int IEqualityComparer<object>.GetHashCode(object value) =>
        value switch
        {
            string text => text.GetHashCode(StringComparison.Ordinal),
            bool flag => (flag ? 1L : 0L).GetHashCode(),
            long number => number.GetHashCode(),
            double number when number == Math.Floor(number) && Math.Abs(number) < 9e18 => ((long)number).GetHashCode(),
            double number => number.GetHashCode(),
            BigInteger number => number.GetHashCode(),
            TupleValue tuple => tuple.Items.Aggregate(17, (hash, item) =>
                (hash * 31) + (item is null ? 0 : ((IEqualityComparer<object>)this).GetHashCode(item))
            ),
            _ => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(value),
        };
}

/// <summary>The <c>loop</c> of a <c>for</c>.</summary>
internal sealed class LoopValue(IReadOnlyList<object?> items, int depth, Func<object?, int, string>? again)
{
    public static readonly HashSet<string> Names =
    [
        "index",
        "index0",
        "revindex",
        "revindex0",
        "first",
        "last",
        "length",
        "depth",
        "depth0",
        "previtem",
        "nextitem",
        "cycle",
        "changed",
    ];

    private object?[]? _lastChanged;

    public int Index { get; set; }

    public Func<object?, int, string>? Again => again;

    public int Depth => depth;

    public object? Attribute(string name) =>
        name switch
        {
            "index" => (long)Index + 1,
            "index0" => (long)Index,
            "revindex" => (long)items.Count - Index,
            "revindex0" => (long)items.Count - Index - 1,
            "first" => Index == 0,
            "last" => Index == items.Count - 1,
            "length" => (long)items.Count,
            "depth" => (long)depth + 1,
            "depth0" => (long)depth,
            "previtem" => Index > 0 ? items[Index - 1] : new UndefinedValue("there is no previous item"),
            "nextitem" => Index + 1 < items.Count ? items[Index + 1] : new UndefinedValue("there is no next item"),
            "cycle" => new FunctionValue(name, arguments =>
                arguments.Positional.Count > 0
                    ? arguments.Positional[Index % arguments.Positional.Count]
                    : throw TemplateError.Type("no items for cycling given")
            ),
            "changed" => new FunctionValue(name, Changed),
            _ => null,
        };

    private object? Changed(Arguments arguments)
    {
        object?[] now = [.. arguments.Positional];
        if (_lastChanged is not null && now.Length == _lastChanged.Length && now.Zip(_lastChanged).All(pair => PythonOperators.Equal(pair.First, pair.Second)))
            return false;
        _lastChanged = now;
        return true;
    }
}

/// <summary>Variables of one block; reading goes outwards, writing stays.</summary>
internal sealed class Scope(Scope? outer)
{
    private readonly Dictionary<string, object?> _values = new(StringComparer.Ordinal);

    public bool TryGet(string name, out object? value)
    {
        for (var scope = this; scope is not null; scope = scope.Outer)
        {
            if (scope._values.TryGetValue(name, out value))
                return true;
        }

        value = null;
        return false;
    }

    public Scope? Outer => outer;

    public void Set(string name, object? value) => _values[name] = value;
}
