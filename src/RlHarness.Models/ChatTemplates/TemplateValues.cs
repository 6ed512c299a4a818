using System.Numerics;

namespace RlHarness.Models.ChatTemplates;

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
