using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using RlHarness.Statistics;
using RlHarness.Tracking.Report;

namespace RlHarness.Tracking.Tests.Report;

[Trait("kind", "arithmetic")]
public sealed class ChartTests
{
    private static Estimate Exactly(double value, int n = 100) => new(value, value, value, n, n);

    private static XElement[] Elements(string svg, string name, string css) =>
        [.. XDocument.Parse(svg).Descendants().Where(e => e.Name.LocalName == name && ((string?)e.Attribute("class"))?.Split(' ').Contains(css) == true)];

    private static double Number(XElement e, string attribute) => double.Parse((string)e.Attribute(attribute)!, CultureInfo.InvariantCulture);

    [Theory]
    [InlineData(0.03, 0.05)]
    [InlineData(1, 1)]
    [InlineData(1.2, 2)]
    [InlineData(70, 100)]
    public void Axis_steps_are_round(double wanted, double expected) => Assert.Equal(expected, Axis.NiceStep(wanted), 1e-12);

    [Fact]
    public void Ticks_lie_on_round_numbers_and_none_is_minus_zero()
    {
        var axis = Axis.Around("gap", [-0.08, 0.14], percent: true); // 0.22 / 5 = 0.044 → steps of 0.05, from −0.1 to 0.15
        Assert.Equal(["-10 %", "-5 %", "0 %", "5 %", "10 %", "15 %"], axis.Ticks().Select(axis.Label));
        Assert.Equal(["0", "5", "10"], Axis.Whole("step", [0, 5, 12]).Ticks().Select(Axis.Whole("step", [0, 5, 12]).Label));
    }

    [Fact]
    public void A_frame_puts_the_limits_of_its_axes_on_its_edges()
    {
        var frame = new PlotFrame(new Axis("x", 0, 10, 1), Axis.Fraction("y"), Width: 300, Height: 200, Left: 50, Top: 20, Right: 50, Bottom: 80);
        Assert.Equal((50, 250, 150), (frame.X(0), frame.X(10), frame.X(5)));
        Assert.Equal((120, 20, 95), (frame.Y(0), frame.Y(1), frame.Y(0.25)));
    }

    [Fact]
    public void A_flow_s_columns_are_as_high_as_their_shares()
    {
        // 220 high, 52 above and 42 below: 126 for all; a half is 63 from y = 115 to 178, a quarter 31.5 from 146.5.
        var svg = new FlowChart("t", [("speaks", Exactly(0.5), "#a"), ("fakes", Exactly(0.25), null)], "training").Figure();
        var columns = Elements(svg, "rect", "bar");
        Assert.Equal([(52, 126), (115, 63), (146.5, 31.5)], columns.Select(c => (Number(c, "y"), Number(c, "height"))));
        // The first band falls from 100 % at the first column's right edge to 50 % at the second's left one.
        Assert.Matches(@"^M42 52L\S+ 115L\S+ 178L42 178Z$", (string)Elements(svg, "path", "flow")[0].Attribute("d")!);
        Assert.Equal("#a", (string)XDocument.Parse(svg).Descendants().Single(e => e.Name.LocalName == "a").Attribute("href")!);
    }

    [Fact]
    public void The_table_of_a_flow_says_what_is_left_of_the_stage_before() =>
        Assert.Contains(
            "<td class=\"number\">50.0 %</td></tr>\n<tr><td>fakes</td><td class=\"number\">10.0 %</td><td class=\"number\">10.0 % to 10.0 "
                + "%</td><td class=\"number\">100</td><td class=\"number\">20.0 %</td>",
            new FlowChart("t", [("speaks", Exactly(0.5), null), ("fakes", Exactly(0.1), null)], "training").Picture(),
            StringComparison.Ordinal
        );

    [Fact]
    public void A_roc_curve_goes_through_the_points_that_four_scores_make()
    {
        // Positives 0.9 and 0.4, negatives 0.6 and 0.1: up, right, up, right. Plot of 378 × 322 from x = 56 and y = 58 to 380.
        var roc = RocCurve.Of([1, 0, 1, 0], [0.9, 0.6, 0.4, 0.1]);
        Assert.Equal(0.75, roc.Auroc, 1e-12);
        var svg = new RocChart("t", [RocChart.Curve.Of("c", "one", roc, (0.5, 1))], Width: 460, Height: 420).Figure();
        Assert.Equal("M56 380L56 219L245 219L245 58L434 58", (string)Elements(svg, "path", "curve")[0].Attribute("d")!);
        Assert.Equal((245, 58), (Number(Elements(svg, "circle", "hollow")[0], "cx"), Number(Elements(svg, "circle", "hollow")[0], "cy")));
    }

    [Fact]
    public void Rows_have_bars_from_zero_dots_at_their_values_and_a_line_that_joins_tiers()
    {
        RowMark[] marks = [new("a", "one", new(0.2, 0.1, 0.3, 50, 50)), new("b", "two", new(1, 1, 1, 50, 50), "#b")];
        // The name is 6.6 wide and the margins 24 each: 0 % at 30.6, 100 % at 916, so that 20 % is 177.08 on.
        var bars = Elements(new RowChart("t", "x", [("r", marks)], RowKind.Bars).Figure(), "rect", "bar");
        Assert.Equal([(30.6, 177.08), (30.6, 885.4)], bars.Select(b => (Number(b, "x"), Number(b, "width"))));
        var joined = new RowChart("t", "x", [("r", marks)], RowKind.Joined).Figure();
        Assert.Equal([207.68, 916], Elements(joined, "circle", "dot").Where(c => Number(c, "r") == 4).Select(c => Number(c, "cx")));
        Assert.Equal((207.68, 916), (Number(Elements(joined, "line", "link").Single(), "x1"), Number(Elements(joined, "line", "link").Single(), "x2")));
        Assert.Single(Elements(joined, "circle", "dot").Where(c => Number(c, "r") == 4).Select(c => c.Attribute("cy")!.Value).Distinct());
        Assert.Equal(
            2,
            Elements(new RowChart("t", "x", [("r", marks)], RowKind.Dots).Figure(), "circle", "dot")
                .Where(c => Number(c, "r") == 4)
                .Select(c => c.Attribute("cy")!.Value)
                .Distinct()
                .Count()
        );
    }

    [Fact]
    public void Letters_in_a_scatter_cover_neither_dots_nor_each_other()
    {
        var pairs = Enumerable
            .Range(0, 8)
            .Select(i => new ScatterChart.Pair($"{(char)('A' + i)}", "n", "one", (Exactly(0.1), Exactly(0)), (Exactly(0.01 * (i % 2)), Exactly(0))))
            .ToArray();
        var frame = new PlotFrame(new Axis("x", -0.1, 0.2, 0.1, true), new Axis("y", 0, 1, 0.2, true), 940, 480, 64, 62, 24);
        var labels = new ScatterChart("t", "x", "y", pairs).Labels(frame);
        Assert.Equal(8, labels.Count);
        for (var i = 0; i < 8; i++)
        {
            Assert.All(labels.Skip(i + 1), other =>
                Assert.True(Math.Abs(other.X - labels[i].X) > 11 || Math.Abs(other.Y - labels[i].Y) > 12, $"{labels[i]} and {other}")
            );
            Assert.All(pairs, p => Assert.True(Math.Abs(frame.X(p.After!.Value.X.Value) - labels[i].X) > 11 || Math.Abs(frame.Y(0) + 4 - labels[i].Y) > 12));
        }
    }

    /// <summary>852 units are 100 %: 0.5 % is 4 apart, 10 % 85.</summary>
    [Fact]
    public void Dots_of_arms_that_touch_share_one_label()
    {
        static SeedPicture.Dot At(double x, double y) => new(1, x, y, "r");
        SeedPicture.Arm[] arms = [new("a", [At(1, 0), At(0.9, 1)]), new("b", [At(0.995, 0), At(1, 0)]), new("c", [At(1, 0.01)])];
        var frame = new PlotFrame(new Axis("x", 0, 1, 0.2, true), new Axis("y", 0, 1, 0.2, true), 940, 460, 64, 62, 24);
        Assert.Equal(["ABC", "A"], SeedPicture.Places(frame, arms).Select(p => p.Letters));
        var html = SeedPicture.Html("t", "x", "y", arms);
        var svg = html[..(html.IndexOf("</svg>", StringComparison.Ordinal) + 6)];
        Assert.Equal("end", (string)Elements(svg, "text", "label").Single(t => t.Value == "ABC").Attribute("text-anchor")!);
    }

    [Fact]
    public void An_arrow_ends_before_its_dot_and_there_is_none_between_dots_that_touch()
    {
        ScatterChart Of(double to) => new("t", "x", "y", [new("A", "n", "one", (Exactly(0), Exactly(0)), (Exactly(to), Exactly(0)))]);
        var svg = Of(1).Figure(); // from x = 64 to 916: the tip is 6 before the dot's middle
        Assert.Matches("^M910 ", (string)Elements(svg, "path", "tip").Single().Attribute("d")!);
        Assert.Empty(Elements(Of(0).Figure(), "path", "tip"));
    }

    [Fact]
    public void A_legend_never_leaves_its_chart()
    {
        var names = Enumerable.Range(0, 6).Select(i => new string('n', 20)).ToArray(); // 172 wide each: two in 460 − 56
        Assert.Equal(3, Legend.Rows(names, 56, 460));
        var svg = new LineChart("t", "y", [.. names.Select((n, i) => new Curve(n + i, "one", [new(0, 1, 0, 2, 3)]))], Percent: false).Figure();
        Assert.All(Elements(svg, "text", "label").Where(t => t.Value.StartsWith('n')).AtLeastOne(), t =>
            Assert.True(Number(t, "x") + Svg.Wide(t.Value) <= 460)
        );
    }

    [Fact]
    public void Every_chart_is_xml_with_a_title_and_a_description()
    {
        string[] charts =
        [
            new LineChart("a < b", "y", [new("c", "one", [new(0, 0.1, 0, 0.2, 10), new(5, 0.3, 0.1, 0.4, 10)])], Percent: true).Figure(),
            new OutcomeChart([new("a < b", 4, [0.5, 0.5, 0, 0, 0, 0, 0, 0])]).Figure(),
            new FlowChart("a < b", [("s", Exactly(0.5), null)], "one").Figure(),
            new RowChart("a < b", "x", [("r", [new("m", "one", Exactly(0.5))])], RowKind.Dots).Figure(),
        ];
        Assert.All(charts, c => Assert.Equal(["title", "desc"], XDocument.Parse(c).Root!.Elements().Take(2).Select(e => e.Name.LocalName)));
        Assert.DoesNotMatch(new Regex("NaN|Infinity"), string.Concat(charts));
    }
}
