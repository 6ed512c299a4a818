using System.Numerics;

namespace RlHarness.Formats.ChatTemplates;

/// <summary>Python's operators on the template's values.</summary>
internal static class PythonOperators
{
    private const int LongestResult = 1 << 24;
    private const int MostBits = 1 << 20;

    public static bool Truth(object? value) =>
        value switch
        {
            null or UndefinedValue => false,
            bool flag => flag,
            long number => number != 0,
            BigInteger number => !number.IsZero,
            double number => number != 0,
            string text => text.Length > 0,
            List<object?> list => list.Count > 0,
            TupleValue tuple => tuple.Items.Count > 0,
            DictValue dict => dict.Count > 0,
            ViewValue view => view.Items.Count > 0,
            RangeValue range => range.Count > 0,
            _ => true,
        };

    /// <summary>A whole number (or bool) as an index; null for anything else.</summary>
    public static long? AsIndex(object? value) =>
        value switch
        {
            bool flag => flag ? 1 : 0,
            long number => number,
            BigInteger number => number.Sign < 0 ? long.MinValue : long.MaxValue,
            _ => null,
        };

    public static bool IsNumber(object? value) => value is bool or long or double or BigInteger;

    public static BigInteger Big(object value) =>
        value switch
        {
            bool flag => flag ? 1 : 0,
            long number => number,
            _ => (BigInteger)value,
        };

    public static double Real(object value) =>
        value switch
        {
            bool flag => flag ? 1 : 0,
            long number => number,
            double number => number,
            _ => (double)(BigInteger)value,
        };

    public static object Shrink(BigInteger value) => value >= long.MinValue && value <= long.MaxValue ? (object)(long)value : value;

    public static bool Equal(object? left, object? right)
    {
        System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
        if (IsNumber(left) && IsNumber(right))
        {
            if (left is double || right is double)
                return left is BigInteger || right is BigInteger
                    ? Real(left!) == Real(right!)
                    : Real(left!).Equals(Real(right!)) || Real(left!) == Real(right!);
            return Big(left!) == Big(right!);
        }

        return (left, right) switch
        {
            (null, null) => true,
            (string a, string b) => string.Equals(a, b, StringComparison.Ordinal),
            (List<object?> a, List<object?> b) => SameItems(a, b),
            (TupleValue a, TupleValue b) => SameItems(a.Items, b.Items),
            (DictValue a, DictValue b) => a.Count == b.Count && a.Items.All(pair => b.TryGet(pair.Key, out var other) && Equal(pair.Value, other)),
            (UndefinedValue, UndefinedValue) => true,
            (RangeValue a, RangeValue b) => a.Count == b.Count && (a.Count == 0 || (a[0] == b[0] && (a.Count == 1 || a.Bounds.Step == b.Bounds.Step))),
            (ViewValue a, ViewValue b) => a.Kind == b.Kind && SameItems(a.Items, b.Items),
            _ => left is not null && ReferenceEquals(left, right),
        };
    }

    public static int Order(object? left, object? right, string sign)
    {
        if (left is UndefinedValue undefined)
            throw undefined.Error();
        if (right is UndefinedValue other)
            throw other.Error();
        if (IsNumber(left) && IsNumber(right))
        {
            return left is double || right is double ? Real(left!).CompareTo(Real(right!)) : Big(left!).CompareTo(Big(right!));
        }

        return (left, right) switch
        {
            (string a, string b) => PythonText.CompareCodePoints(a, b),
            (List<object?> a, List<object?> b) => OrderItems(a, b, sign),
            (TupleValue a, TupleValue b) => OrderItems(a.Items, b.Items, sign),
            _ => throw TemplateError.Type($"'{sign}' not supported between instances of '{PythonText.TypeName(left)}' and '{PythonText.TypeName(right)}'"),
        };
    }

    public static bool Compare(string sign, object? left, object? right) =>
        sign switch
        {
            "==" => Equal(left, right),
            "!=" => !Equal(left, right),
            "in" => Contains(right, left),
            "not in" => !Contains(right, left),
            _ when left is double.NaN || right is double.NaN => false,
            "<" => Order(left, right, sign) < 0,
            "<=" => Order(left, right, sign) <= 0,
            ">" => Order(left, right, sign) > 0,
            _ => Order(left, right, sign) >= 0,
        };

    public static bool Contains(object? container, object? item)
    {
        switch (container)
        {
            case string text:
                return item is string part
                    ? text.Contains(part, StringComparison.Ordinal)
                    : throw TemplateError.Type($"'in <string>' requires string as left operand, not {PythonText.TypeName(item)}");
            case DictValue dict:
                return dict.TryGet(item, out _);
            default:
                if (!IsIterable(container))
                    throw TemplateError.Type($"argument of type '{PythonText.TypeName(container)}' is not iterable");
                return Iterate(container).Any(value => Equal(value, item));
        }
    }

    public static bool IsIterable(object? value) =>
        value is string or List<object?> or TupleValue or DictValue or ViewValue or RangeValue or IteratorValue or UndefinedValue;

    public static IEnumerable<object?> Iterate(object? value) =>
        value switch
        {
            string text => PythonText.Characters(text),
            List<object?> list => list,
            TupleValue tuple => tuple.Items,
            DictValue dict => dict.Items.Select(pair => pair.Key),
            ViewValue view => view.Items,
            RangeValue range => Enumerable.Range(0, range.Count).Select(index => (object?)range[index]),
            IteratorValue iterator => iterator.Take(),
            UndefinedValue => [],
            _ => throw TemplateError.Type($"'{PythonText.TypeName(value)}' object is not iterable"),
        };

    public static long Length(object? value) =>
        value switch
        {
            string text => PythonText.Length(text),
            List<object?> list => list.Count,
            TupleValue tuple => tuple.Items.Count,
            DictValue dict => dict.Count,
            ViewValue view => view.Items.Count,
            RangeValue range => range.Count,
            UndefinedValue => 0,
            _ => throw TemplateError.Type($"object of type '{PythonText.TypeName(value)}' has no len()"),
        };

    public static object? Negate(object? value) =>
        value switch
        {
            UndefinedValue undefined => throw undefined.Error(),
            double number => -number,
            bool or long or BigInteger => Shrink(-Big(value)),
            _ => throw TemplateError.Type($"bad operand type for unary -: '{PythonText.TypeName(value)}'"),
        };

    public static object? Binary(string sign, object? left, object? right)
    {
        if (left is UndefinedValue undefined)
            throw undefined.Error();
        if (right is UndefinedValue other)
            throw other.Error();
        if (IsNumber(left) && IsNumber(right))
            return left is double || right is double || sign == "/" ? Real(sign, left!, right!) : Whole(sign, left!, right!);
        return (sign, left, right) switch
        {
            ("+", string a, string b) => Limited(a.Length + b.Length, () => a + b),
            ("+", List<object?> a, List<object?> b) => Limited(a.Count + b.Count, () => (List<object?>)[.. a, .. b]),
            ("+", TupleValue a, TupleValue b) => new TupleValue([.. a.Items, .. b.Items]),
            ("*", string or List<object?> or TupleValue, _) => Repeat(left!, right),
            ("*", _, string or List<object?> or TupleValue) => Repeat(right!, left),
            ("%", string format, _) => PythonFormat.Percent(format, right),
            ("+", string, _) => throw TemplateError.Type($"can only concatenate str (not \"{PythonText.TypeName(right)}\") to str"),
            ("+", List<object?>, _) => throw TemplateError.Type($"can only concatenate list (not \"{PythonText.TypeName(right)}\") to list"),
            _ => throw TemplateError.Type(
                $"unsupported operand type(s) for {(sign == "**" ? "** or pow()" : sign)}: '{PythonText.TypeName(left)}' and '{PythonText.TypeName(right)}'"
            ),
        };
    }

    private static object Whole(string sign, object left, object right)
    {
        var (a, b) = (Big(left), Big(right));
        switch (sign)
        {
            case "+":
                return Shrink(a + b);
            case "-":
                return Shrink(a - b);
            case "*":
                return Shrink(Bounded(a.GetBitLength() + (double)b.GetBitLength(), () => a * b));
            case "//":
            case "%":
                if (b.IsZero)
                    throw new TemplateError("integer division or modulo by zero");
                var quotient = BigInteger.DivRem(a, b, out var remainder);
                if (!remainder.IsZero && (remainder.Sign < 0) != (b.Sign < 0))
                    (quotient, remainder) = (quotient - 1, remainder + b);
                return Shrink(sign == "%" ? remainder : quotient);
            default:
                if (b.Sign < 0)
                    return Math.Pow((double)a, (double)b);
                return Shrink(Bounded(a.GetBitLength() * (double)b, () => BigInteger.Pow(a, (int)b)));
        }
    }

    private static object Real(string sign, object left, object right)
    {
        var (a, b) = (Real(left), Real(right));
        switch (sign)
        {
            case "+":
                return a + b;
            case "-":
                return a - b;
            case "*":
                return a * b;
            case "**":
                return Math.Pow(a, b);
        }

        if (b == 0)
            throw new TemplateError(sign == "/" ? "division by zero" : "float floor division or modulo by zero");
        if (sign == "/")
            return a / b;
        var remainder = a % b;
        if (remainder != 0 && (remainder < 0) != (b < 0))
            remainder += b;
        return sign == "%" ? remainder : Math.Round((a - remainder) / b);
    }

    private static object Repeat(object sequence, object? times)
    {
        if (AsIndex(times) is not { } wanted)
            throw TemplateError.Type($"can't multiply sequence by non-int of type '{PythonText.TypeName(times)}'");
        var count = (int)Math.Clamp(wanted, 0, LongestResult + 1);
        return sequence switch
        {
            string text => Limited((long)text.Length * count, () => string.Concat(Enumerable.Repeat(text, count))),
            List<object?> list => Limited((long)list.Count * count, () => Enumerable.Repeat(list, count).SelectMany(items => items).ToList()),
            _ => new TupleValue(
                Limited((long)((TupleValue)sequence).Items.Count * count, () =>
                    Enumerable.Repeat(((TupleValue)sequence).Items, count).SelectMany(items => items).ToList()
                )
            ),
        };
    }

    private static T Limited<T>(long size, Func<T> make)
    {
        if (size > LongestResult)
            throw new TemplateError("a value grows too large", TemplateErrorKind.Limit);
        TemplateWork.Spend(size);
        return make();
    }

    private static BigInteger Bounded(double bits, Func<BigInteger> make)
    {
        if (bits > MostBits)
            throw new TemplateError("a number grows too large", TemplateErrorKind.Limit);
        TemplateWork.Spend((long)bits);
        return make();
    }

    private static bool SameItems(IReadOnlyList<object?> left, IReadOnlyList<object?> right)
    {
        if (left.Count != right.Count)
            return false;
        for (var i = 0; i < left.Count; i++)
        {
            if (!Equal(left[i], right[i]))
                return false;
        }

        return true;
    }

    private static int OrderItems(IReadOnlyList<object?> left, IReadOnlyList<object?> right, string sign)
    {
        for (var i = 0; i < Math.Min(left.Count, right.Count); i++)
        {
            if (!Equal(left[i], right[i]))
                return Order(left[i], right[i], sign);
        }

        return left.Count.CompareTo(right.Count);
    }
}
