using RlHarness.Core.Settings;

namespace RlHarness.Core.Tests.Settings;

[Trait("kind", "contract")]
public class SettingsWriterTests
{
    private static readonly SampleSettings Odd = new()
    {
        Name = "true",
        Note = "a \"b\" \\ c\nd: e",
        Rate = 1.0 / 3,
        Big = long.MinValue,
        Maybe = -0.1,
        Colour = Colour.Red,
        Stages = ["corpus", "reward"],
        Style = "fancy",
        Optional = new() { LearningRate = 1e-5 },
        Cells = [new() { MaxNewTokens = 2 }, new() { LearningRate = 4 }],
    };

    [Fact]
    public void What_is_written_reads_back_equal()
    {
        var yaml = SettingsWriter.ToYaml(Odd);
        var back = SettingsReader.Parse<SampleSettings>("written", yaml, []);
        Assert.Equal(Odd with { Stages = back.Stages, Cells = back.Cells }, back);
        Assert.Equal(Odd.Stages, back.Stages);
        Assert.Equal(Odd.Cells, back.Cells);
        Assert.Equal(yaml, SettingsWriter.ToYaml(back));
    }

    [Fact]
    public void Defaults_are_written_too_in_order_of_declaration() =>
        Assert.StartsWith(
            "name: sample\nsteps: 3\nrate: 0.5\nfast: false\nbig: 5000000000\nmaybe: null\nnote: null\ncolour: deep_blue\nstages: [corpus]\n",
            SettingsWriter.ToYaml(new SampleSettings()).ReplaceLineEndings("\n"),
            StringComparison.Ordinal
        );

    [Fact]
    public void A_hash_differs_when_any_part_does()
    {
        var hash = SettingsWriter.Hash("imitate", new InnerSettings());
        Assert.Equal(64, hash.Length);
        Assert.Equal(hash, SettingsWriter.Hash("imitate", new InnerSettings()));
        Assert.NotEqual(hash, SettingsWriter.Hash("imitate", new InnerSettings { MaxNewTokens = 8 }));
        Assert.NotEqual(hash, SettingsWriter.Hash("reward", new InnerSettings()));
    }

    [Theory]
    [InlineData("LearningRate", "learning_rate")]
    [InlineData("KlTarget", "kl_target")]
    [InlineData("MScaleAllDim", "m_scale_all_dim")]
    [InlineData("XMLFile", "xml_file")]
    [InlineData("K1", "k1")]
    public void Names_take_the_spelling_of_files(string name, string expected) => Assert.Equal(expected, SettingNames.Snake(name));

    [Fact]
    public void The_nearest_word_is_found_unless_none_is_near()
    {
        Assert.Equal("reward", Nearest.To("rewrad", ["corpus", "reward", "rl"]));
        Assert.Equal("rl", Nearest.To("lr", ["imitate", "rl"]));
        Assert.Null(Nearest.To("xyzxyz", ["corpus", "reward"]));
        Assert.Null(Nearest.To("a", []));
    }

    [Fact]
    public void The_page_of_settings_names_key_default_range_and_meaning_of_each()
    {
        var page = SettingsDocument.Markdown(new SampleSettings());
        Assert.Contains("| `name` | `sample` | text | Who \\| what. |", page, StringComparison.Ordinal);
        Assert.Contains("| `steps` | 3 | 1 to 10, whole |", page, StringComparison.Ordinal);
        Assert.Contains("| `maybe` | null | a number, null |", page, StringComparison.Ordinal);
        Assert.Contains("| `colour` | deep_blue | deep_blue, red |", page, StringComparison.Ordinal);
        Assert.Contains("| `stages` | [corpus] | corpus, reward (a list) |", page, StringComparison.Ordinal);
        Assert.Contains("## `inner`", page, StringComparison.Ordinal);
        Assert.Contains("| `inner.learning_rate` | 0.1 | 0 to 100 |", page, StringComparison.Ordinal);
        Assert.Contains("## `cells[]`", page, StringComparison.Ordinal);
    }
}
