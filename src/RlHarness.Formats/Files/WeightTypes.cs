using System.Collections.Frozen;

namespace RlHarness.Formats.Files;

/// <summary>Sizes of the stored types, and their names and numbers in safetensors and GGUF.</summary>
public static class WeightTypes
{
    private static readonly (WeightType Type, int Block, int Bytes, string? Safetensors, int Ggml)[] Rows =
    [
        (WeightType.F32, 1, 4, "F32", 0),
        (WeightType.F16, 1, 2, "F16", 1),
        (WeightType.BF16, 1, 2, "BF16", 30),
        (WeightType.F64, 1, 8, "F64", 28),
        (WeightType.I64, 1, 8, "I64", 27),
        (WeightType.I32, 1, 4, "I32", 26),
        (WeightType.I16, 1, 2, "I16", 25),
        (WeightType.I8, 1, 1, "I8", 24),
        (WeightType.U64, 1, 8, "U64", -1),
        (WeightType.U32, 1, 4, "U32", -1),
        (WeightType.U16, 1, 2, "U16", -1),
        (WeightType.U8, 1, 1, "U8", -1),
        (WeightType.Bool, 1, 1, "BOOL", -1),
        (WeightType.F8_E4M3, 1, 1, "F8_E4M3", -1),
        (WeightType.F8_E5M2, 1, 1, "F8_E5M2", -1),
        (WeightType.Q4_0, 32, 18, null, 2),
        (WeightType.Q4_1, 32, 20, null, 3),
        (WeightType.Q5_0, 32, 22, null, 6),
        (WeightType.Q5_1, 32, 24, null, 7),
        (WeightType.Q8_0, 32, 34, null, 8),
        (WeightType.Q2_K, 256, 84, null, 10),
        (WeightType.Q3_K, 256, 110, null, 11),
        (WeightType.Q4_K, 256, 144, null, 12),
        (WeightType.Q5_K, 256, 176, null, 13),
        (WeightType.Q6_K, 256, 210, null, 14),
        (WeightType.IQ4_NL, 32, 18, null, 20),
        (WeightType.IQ4_XS, 256, 136, null, 23),
        (WeightType.TQ1_0, 256, 54, null, 34),
        (WeightType.TQ2_0, 256, 66, null, 35),
    ];

    private static readonly FrozenDictionary<string, WeightType> FromSafetensors = Rows.Where(row => row.Safetensors is not null)
        .ToFrozenDictionary(row => row.Safetensors!, row => row.Type);

    private static readonly FrozenDictionary<int, WeightType> FromGgml = Rows.Where(row => row.Ggml >= 0).ToFrozenDictionary(row => row.Ggml, row => row.Type);

    public static IEnumerable<string> SafetensorsNames => Rows.Where(row => row.Safetensors is not null).Select(row => row.Safetensors!);

    public static IEnumerable<string> GgmlNames => Rows.Where(row => row.Ggml >= 0).Select(row => row.Type.ToString());

    public static int Block(WeightType type) => Rows[(int)type].Block;

    public static int Bytes(WeightType type) => Rows[(int)type].Bytes;

    public static string? SafetensorsName(WeightType type) => Rows[(int)type].Safetensors;

    public static int GgmlNumber(WeightType type) => Rows[(int)type].Ggml;

    public static bool TrySafetensors(string name, out WeightType type) => FromSafetensors.TryGetValue(name, out type);

    public static bool TryGgml(uint number, out WeightType type) => FromGgml.TryGetValue(number <= int.MaxValue ? (int)number : -1, out type);

    /// <summary>What ggml calls a number; also those that this reader does not decode, so that an error can name them.</summary>
    public static string GgmlName(uint number) =>
        number switch
        {
            9 => "Q8_1",
            15 => "Q8_K",
            16 => "IQ2_XXS",
            17 => "IQ2_XS",
            18 => "IQ3_XXS",
            19 => "IQ1_S",
            21 => "IQ3_S",
            22 => "IQ2_S",
            29 => "IQ1_M",
            39 => "MXFP4",
            _ => TryGgml(number, out var type) ? type.ToString() : $"type {number}",
        };

    /// <summary>The number of elements, or -1 where a dimension is negative or the product overflows.</summary>
    public static long Elements(ReadOnlySpan<long> shape)
    {
        long product = 1;
        foreach (var size in shape)
        {
            if (size < 0 || (size != 0 && product > long.MaxValue / size))
                return -1;
            product *= size;
        }

        return product;
    }

    /// <summary>The bytes that a shape takes, or -1 where it is impossible (overflow, rows that are not whole blocks).</summary>
    public static long ByteLength(WeightType type, ReadOnlySpan<long> shape)
    {
        var elements = Elements(shape);
        var block = Block(type);
        if (elements < 0 || (block > 1 && (shape.Length == 0 || shape[^1] % block != 0)))
            return -1;
        var blocks = elements / block;
        return blocks > long.MaxValue / Bytes(type) ? -1 : blocks * Bytes(type);
    }
}

/// <summary>How the numbers of a weight are stored. Names are those of safetensors and of ggml.</summary>
public enum WeightType
{
    F32,
    F16,
    BF16,
    F64,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
    F8_E4M3,
    F8_E5M2,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    IQ4_NL,
    IQ4_XS,
    TQ1_0,
    TQ2_0,
}
