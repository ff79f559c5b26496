"""How panels look: one function a kind, so that all boards read alike.

Each wants a title, a description that says what is bad, a unit, and a sentence for when there is nothing to show.
Colours that mean something are set here, and never left to Grafana.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, heatmap, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.builders.prometheus import Dataquery as PrometheusQuery
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    FieldColorModeId,
    RegexMap,
    Threshold,
    ValueMap,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

from grafana.boards.colours import ONE_OF_MANY, PLAIN, QUIET
from grafana.boards.queries import POSTGRES_REF, PROMETHEUS_REF
from grafana.boards.sdk import DataLink, Made, coloured, override
from grafana.boards.words import POD

Query = PrometheusQuery | Made
Steps = Sequence[tuple[float | None, str]]
"""From which value on which colour; the first from None on."""


@dataclass(frozen=True, slots=True)
class Text:
    """What a panel says in words."""

    title: str
    description: str
    nothing: str
    """Shown where there is nothing to show; a sentence, or a few words in a small panel."""


def number(
    text: Text,
    *queries: Query,
    unit: str,
    decimals: int | None = None,
    steps: Steps = ((None, PLAIN),),
    mappings: Sequence[ValueMap] = (),
    show: str = "value",
    filled: bool = False,
    links: Sequence[DataLink] = (),
    overrides: Sequence[Made] = (),
    interval: str = "",
    of_pods: bool = False,
) -> stat.Panel:
    """One number, or a few. `show` is value, name or value_and_name; `filled` is for the one to be seen first.

    `interval` is the least time that rates are taken over. Words in place of a number are grey: they are no good news.
    """
    of_numbers = [(0 if value is None else value, colour) for value, colour in steps]
    panel = (
        _described(stat.Panel(), text, queries)
        .unit(unit)
        .thresholds(_thresholds([(None, QUIET), *of_numbers]))
        .color_scheme(_color(FieldColorModeId.THRESHOLDS))
        .mappings(list(mappings))
        .overrides(list(overrides))
        .data_links([Made(link) for link in links])
        .graph_mode(shapes.BigValueGraphMode.NONE)
        .color_mode(shapes.BigValueColorMode.BACKGROUND_SOLID if filled else shapes.BigValueColorMode.VALUE)
        .justify_mode(shapes.BigValueJustifyMode.CENTER)
        .text_mode(shapes.BigValueTextMode(show))
        .wide_layout(False)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )
    if interval:
        panel.interval(interval)
    if of_pods:
        panel.transformations([_SHORT])
    return panel if decimals is None else panel.decimals(decimals)


def bars(
    text: Text,
    *queries: Query,
    unit: str,
    steps: Steps = ((None, PLAIN),),
    maximum: float | None = None,
    decimals: int | None = None,
    overrides: Sequence[Made] = (),
    mappings: Sequence[ValueMap] = (),
    each_row: bool = False,
    label: str = "",
) -> bargauge.Panel:
    """Bars that lie, each with its number, and its name from a label; `each_row` makes one of each row."""
    panel = (
        _described(bargauge.Panel(), text, queries)
        .unit(unit)
        .min(0)
        .thresholds(_thresholds(steps))
        .color_scheme(_color(FieldColorModeId.THRESHOLDS))
        .mappings(list(mappings))
        .overrides(list(overrides))
        .display_mode(shapes.BarGaugeDisplayMode.BASIC)
        .value_mode(shapes.BarGaugeValueMode.TEXT)
        .name_placement(shapes.BarGaugeNamePlacement.LEFT)
        .orientation(shapes.VizOrientation.HORIZONTAL)
        .show_unfilled(True)
        .text(common.VizTextDisplayOptions().title_size(12).value_size(18))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(each_row))
    )
    if maximum is not None:
        panel.max(maximum)
    if label:  # Else a lone bar has no name.
        panel.display_name(f"${{__field.labels.{label}}}")
    return panel if decimals is None else panel.decimals(decimals)


def graph(
    text: Text,
    *queries: Query,
    unit: str,
    decimals: int | None = None,
    stacked: bool = False,
    many: bool = False,
    least: float | None = None,
    most: float | None = None,
    ceiling: float | None = None,
    steps: Steps = (),
    colours: Mapping[str, str] | None = None,
    overrides: Sequence[Made] = (),
    interval: str = "",
) -> timeseries.Panel:
    """Values over time: lines, or stacked bars where they are parts of a whole. Steps are drawn as dashed lines.

    The axis reaches to `least` and `most` at least, and never beyond `ceiling`.
    `colours` are those of series known by name, `many` gives workers and operators theirs, and short names; others get
    shades of one colour, of which none looks like an alarm. `interval` is the least time between two points.
    """
    panel = (
        _described(timeseries.Panel(), text, queries)
        .unit(unit)
        .color_scheme(_color(FieldColorModeId.SHADES, PLAIN))
        .overrides([*coloured(ONE_OF_MANY if many else colours or {}), *overrides])
        .draw_style(shapes.GraphDrawStyle.BARS if stacked else shapes.GraphDrawStyle.LINE)
        .line_width(0 if stacked else 2)
        .fill_opacity(85 if stacked else 8)
        .bar_width_factor(0.9)
        .show_points(shapes.VisibilityMode.AUTO)
        .point_size(4)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(shapes.LegendDisplayMode.LIST)
            .placement(shapes.LegendPlacement.BOTTOM)
        )
        .tooltip(common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.DESCENDING))
    )
    if interval:
        panel.interval(interval)
    if many:
        panel.transformations([_SHORT])
    if stacked:
        panel.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL).group("A"))
    if steps:
        panel.thresholds(_thresholds(steps))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(shapes.GraphThresholdsStyleMode.DASHED))
    if least is not None:
        panel.axis_soft_min(least)
    if most is not None:
        panel.axis_soft_max(most)
    if ceiling is not None:
        # With a soft maximum, however small, the hard one only cuts; alone it would be the axis's end, always.
        panel.max(ceiling).axis_soft_max(least or 0)
    return panel if decimals is None else panel.decimals(decimals)


def rectangle(text: Text, *queries: Query, mappings: Sequence[ValueMap], steps: Steps = ()) -> statetimeline.Panel:
    """States over time, a lane each."""
    return (
        _described(statetimeline.Panel(), text, queries)
        .unit("none")
        .transformations([_SHORT])
        .mappings(list(mappings))
        .thresholds(_thresholds(steps or ((None, PLAIN),)))
        .color_scheme(_color(FieldColorModeId.THRESHOLDS))
        .fill_opacity(85)
        .line_width(0)
        .row_height(0.85)
        .merge_values(True)
        .show_value(shapes.VisibilityMode.AUTO)
        .align_value(shapes.TimelineValueAlignment.LEFT)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(shapes.LegendDisplayMode.LIST)
            .placement(shapes.LegendPlacement.BOTTOM)
        )
        .tooltip(common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.SINGLE).sort(shapes.SortOrder.NONE))
    )


def heat(text: Text, query: Query, *, unit: str) -> heatmap.Panel:
    """How often which duration was, over time."""
    return (
        _described(heatmap.Panel(), text, (query,))
        .unit("short")
        .calculate(False)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(HeatmapColorMode.SCHEME)
            .scheme("Blues")
            .exponent(0.5)
            .steps(64)
            .reverse(False)
        )
        .cell_gap(1)
        .cell_values(heatmap.CellValues().unit("short").decimals(0))
        .y_axis(heatmap.YAxisConfig().unit(unit).axis_placement(shapes.AxisPlacement.LEFT))
        .show_legend()
    )


def lines(
    text: Text,
    *queries: Query,
    columns: Mapping[str, Column],
    sort: str = "",
    descending: bool = False,
) -> table.Panel:
    """A table. Columns stand in the order given and show what is given; others are hidden."""
    panel = (
        _described(table.Panel(), text, queries)
        .unit("none")
        .align(shapes.FieldTextAlignment.AUTO)
        .cell_height(shapes.TableCellHeight.SM)
        .show_header(True)
        .filterable(False)
        .color_scheme(_color(FieldColorModeId.FIXED, "text"))
        .overrides([column.as_override() for column in columns.values()])
        .transformations(_arranged(columns, several=len(queries) > 1))
    )
    if sort:
        panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(descending)])
    return panel


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    unit: str = ""
    width: int | None = None
    decimals: int | None = None
    mappings: Sequence[ValueMap | RegexMap] = ()
    steps: Steps = ()
    """Colours the text where it is given."""
    filled: bool = False
    """Colours the cell's background."""
    gauge: bool = False
    """Draws a share from 0 to 1 as a bar."""
    left: bool = False
    """Puts a number to the left, where it is a name."""
    links: Sequence[DataLink] = ()
    nothing: str = "–"
    """Shown in a cell without a value."""

    def as_override(self) -> Made:
        """What Grafana is told of it."""
        return override(self.title, {name: value for name, value in self._properties() if value not in ("", None, ())})

    def _properties(self) -> Sequence[tuple[str, Any]]:
        colour = _color(FieldColorModeId.THRESHOLDS).build() if self.steps or self.gauge else None
        return (
            ("unit", self.unit),
            ("decimals", self.decimals),
            ("custom.width", self.width),
            ("custom.align", "left" if self.left else ""),
            ("custom.cellOptions", self._cell()),
            ("color", colour),
            ("thresholds", _thresholds(self.steps or ((None, PLAIN),)).build() if colour else None),
            ("mappings", list(self.mappings) or None),
            ("min", 0 if self.gauge else None),
            ("max", 1 if self.gauge else None),
            ("links", list(self.links) or None),
            ("noValue", self.nothing),
        )

    def _cell(self) -> dict[str, str] | None:
        if self.gauge:
            return {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
        if self.filled:
            return {"type": "color-background", "mode": "basic"}
        return {"type": "color-text"} if self.steps or self.mappings else None


_SHORT = DataTransformerConfig(id_val="renameByRegex", options={"regex": POD, "renamePattern": "$1$2"})
"""Names of pods by their ends: of five in full a legend shows two."""


def _arranged(columns: Mapping[str, Column], *, several: bool) -> list[DataTransformerConfig]:
    """One table of all queries, with these columns in this order and no other."""
    joined = [DataTransformerConfig(id_val="merge", options={})] if several else []
    filtered = DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": list(columns)}})
    named = DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": {},
            "indexByName": {name: place for place, name in enumerate(columns)},
            "renameByName": {name: column.title for name, column in columns.items()},
        },
    )
    return [*joined, filtered, named]


class _Panel(Protocol):
    """What the SDK's builders have in common, which it does not say."""

    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def no_value(self, no_value: str) -> Self: ...
    def datasource(self, datasource: DataSourceRef) -> Self: ...
    def with_target(self, target: Builder[Dataquery]) -> Self: ...


_Any = TypeVar("_Any", bound=_Panel)


def _described(panel: _Any, text: Text, queries: Sequence[Query]) -> _Any:
    """What every panel has. Raises ValueError where words are missing."""
    if not (text.title and text.description and text.nothing):
        raise ValueError(f"a panel without title, description or a sentence for nothing: {text}")
    ours = POSTGRES_REF if isinstance(queries[0], Made) else PROMETHEUS_REF
    panel.title(text.title).description(text.description).no_value(text.nothing).datasource(ours)
    for index, query in enumerate(queries):
        built = query.build()
        built.ref_id = chr(ord("A") + index)
        panel.with_target(Made(built))
    return panel


def _thresholds(steps: Steps) -> dashboards.ThresholdsConfig:
    return dashboards.ThresholdsConfig().steps([Threshold(value=value, color=colour) for value, colour in steps])


def _color(mode: FieldColorModeId, colour: str = "") -> dashboards.FieldColor:
    made = dashboards.FieldColor().mode(mode)
    return made.fixed_color(colour) if colour else made
