using RlHarness.Models.Decoders;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Decoders;

/// <summary>Inverse frequencies worked out by hand for rope types that no golden model has.</summary>
[Trait("kind", "arithmetic")]
public sealed class RotaryTableTests
{
    [Fact]
    public void Yarn_keeps_quick_dimensions_divides_slow_ones_and_ramps_between()
    {
        // d = 8, θ = 10000: plain frequencies 1, 0.1, 0.01, 0.001. Original length 4096, β 32 and 1.
        // dimension(β) = 8 ln(4096 / 2πβ) / (2 ln 10000): dimension(32) = 4 · 3.0142 / 9.21034 = 1.309, dimension(1) = 4 · 6.4799 / 9.21034 = 2.814
        // low = 1, high = 3, so ramp = 0, 0, 0.5, 1; each is f (1 − ramp) + f / 4 · ramp
        using var table = new RotaryTable(
            new()
            {
                RopeTheta = 10000,
                RopeType = "yarn",
                Factor = 4,
                OriginalMaxPositionEmbeddings = 4096,
            },
            8,
            16384
        );
        var (inverse, factor) = table.InverseFrequencies(100);
        Close([1, 0.1f, 0.00625f, 0.00025f], inverse);
        Assert.Equal(0.1 * Math.Log(4) + 1, factor, 1e-12);
    }

    [Fact]
    public void Yarn_s_attention_factor_is_the_given_one_or_the_quotient_of_its_scales()
    {
        var yarn = new RopeSettings
        {
            RopeTheta = 10000,
            RopeType = "yarn",
            Factor = 40,
            OriginalMaxPositionEmbeddings = 4096,
        };
        double Factor(RopeSettings s)
        {
            using var table = new RotaryTable(s, 8, 16384);
            return table.InverseFrequencies(1).Factor;
        }

        Assert.Equal(0.75, Factor(yarn with { AttentionFactor = 0.75 }));
        // (0.1 · 1 · ln 40 + 1) / (0.1 · 0.5 · ln 40 + 1) = 1.368888 / 1.184444
        Assert.Equal(1.368888 / 1.184444, Factor(yarn with { MScale = 1, MScaleAllDim = 0.5 }), 1e-5);
        Assert.Equal(1, Factor(yarn with { Factor = 1 }));
    }

    [Fact]
    public void Dynamic_frequencies_are_plain_up_to_the_trained_length_and_stretched_beyond()
    {
        using var table = new RotaryTable(
            new()
            {
                RopeTheta = 100,
                RopeType = "dynamic",
                Factor = 2,
            },
            4,
            16
        );
        Close([1, 0.1f], table.InverseFrequencies(16).Inverse);
        // at 48: θ' = 100 · (2 · 48 / 16 − 1)^(4 / 2) = 100 · 25 = 2500; 1 / √2500 = 0.02
        Close([1, 0.02f], table.InverseFrequencies(48).Inverse);
    }

    [Fact]
    public void A_dynamic_table_goes_by_the_sequence_and_not_by_the_rows_it_keeps()
    {
        using var scope = NewDisposeScope();
        using var table = new RotaryTable(
            new()
            {
                RopeTheta = 100,
                RopeType = "dynamic",
                Factor = 2,
            },
            4,
            16
        );
        float Second(long longest) => table.At(tensor(new long[] { 1 }), longest, CPU).Cos[0, 1].item<float>();
        Assert.Equal(Math.Cos(0.1), Second(9), 1e-6);
        Assert.Equal(Math.Cos(0.02), Second(47), 1e-6); // a sequence of 48
        Assert.Equal(Math.Cos(0.1), Second(9), 1e-6);
    }

    [Fact]
    public void Longrope_divides_each_frequency_by_its_own_number_of_the_table_for_the_sequence_s_length()
    {
        var settings = new RopeSettings
        {
            RopeTheta = 100,
            RopeType = "longrope",
            Factor = 4,
            OriginalMaxPositionEmbeddings = 16,
            ShortFactor = [1, 2],
            LongFactor = [2, 4],
        };
        using var table = new RotaryTable(settings, 4, 64);
        // plain: 1, 0.1
        Close([1, 0.05f], table.InverseFrequencies(16).Inverse);
        Close([0.5f, 0.025f], table.InverseFrequencies(17).Inverse);
        // √(1 + ln 4 / ln 16) = √1.5
        Assert.Equal(1.2247449, table.InverseFrequencies(16).Factor, 1e-6);
        using var given = new RotaryTable(settings with { AttentionFactor = 0.5 }, 4, 64);
        Assert.Equal(0.5, given.InverseFrequencies(16).Factor);
        using var scope = NewDisposeScope();
        float Second(long longest) => table.At(tensor(new long[] { 1 }), longest, CPU).Cos[0, 1].item<float>();
        Assert.Equal(1.2247449 * Math.Cos(0.05), Second(15), 1e-6);
        Assert.Equal(1.2247449 * Math.Cos(0.025), Second(16), 1e-6);
        Assert.Equal(1.2247449 * Math.Cos(0.05), Second(15), 1e-6);
    }

    [Fact]
    public void Longrope_is_read_as_Phi_3_writes_it()
    {
        // Its trained length stands in the configuration itself; the factor follows from it: 8192 / 2048 = 4.
        var json = (System.Text.Json.Nodes.JsonObject)
            System.Text.Json.Nodes.JsonNode.Parse(
                """
                { "hidden_size": 16, "num_attention_heads": 4, "max_position_embeddings": 8192, "original_max_position_embeddings": 2048, "rope_theta": 10000.0,
                  "rope_scaling": { "type": "su", "short_factor": [1, 1.5], "long_factor": [2.0, 64] } }
                """
            )!;
        var rope = new RlHarness.Models.Families.ConfigReader(json, "config.json").Rope();
        Assert.Equal(("longrope", 2048, 4.0), (rope.RopeType, rope.OriginalMaxPositionEmbeddings, rope.Factor));
        Assert.Equal([1, 1.5], rope.ShortFactor);
        Assert.Equal([2, 64], rope.LongFactor);
    }

    [Fact]
    public void A_part_of_the_head_is_rotated_where_the_factor_says_so()
    {
        using var table = new RotaryTable(new() { RopeTheta = 10000, PartialRotaryFactor = 0.5 }, 8, 64);
        Assert.Equal(4, table.RotaryDim);
        Close([1, 0.01f], table.InverseFrequencies(1).Inverse);
    }

    [Fact]
    public void Rows_hold_the_cosines_and_sines_of_both_halves_also_after_the_table_has_grown()
    {
        using var scope = NewDisposeScope();
        using var table = new RotaryTable(new() { RopeTheta = 10000 }, 4, 4096);
        table.At(tensor(new long[] { 3 }), 3, CPU);
        var (cos, sin) = table.At(tensor(new long[] { 0, 700 }), 700, CPU);
        Close([1, 1, 1, 1, MathF.Cos(700), MathF.Cos(7), MathF.Cos(700), MathF.Cos(7)], cos.data<float>().ToArray(), 1e-5f);
        Close([0, 0, 0, 0, -MathF.Sin(700), -MathF.Sin(7), MathF.Sin(700), MathF.Sin(7)], sin.data<float>().ToArray(), 1e-5f);
    }

    /// <summary>Within 1e-6 of the expected number's size, or the absolute tolerance.</summary>
    private static void Close(float[] expected, float[] got, float tolerance = 0)
    {
        Assert.Equal(expected.Length, got.Length);
        for (var i = 0; i < got.Length; i++)
            Assert.True(Math.Abs(expected[i] - got[i]) <= tolerance + 1e-6f * Math.Abs(expected[i]), $"{i}: {got[i]} for {expected[i]}");
    }
}
